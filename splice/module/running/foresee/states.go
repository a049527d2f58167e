package foresee

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
)

// states asks whether a livepatch that takes the place of all others knows what these have changed,
// in that version or a later one: the kernel refuses it otherwise (klp_is_patch_compatible of
// kernel/livepatch/state.c). Only the memory of the kernel tells.
func (c *checker) states(context.Context) error {
	p, err := c.ko.Patch(c.sizeOfFunc())
	if err != nil {
		return nil // it is told that its functions can't be read
	}
	known := map[uint64]uint32{}
	for _, s := range p.States {
		known[s.ID] = s.Version
	}
	if !c.replace && len(known) == 0 || len(c.loaded()) == 0 {
		return nil
	}
	list, err := c.changedStates()
	if err != nil {
		c.unseen(Unknown, "what the livepatches have changed that it takes the place of", err, "")
		return nil
	}
	c.compatible(known, list)
	return nil
}

// compatible compares the versions that are known with those that there are.
func (c *checker) compatible(known map[uint64]uint32, list []state) {
	for _, s := range list {
		version, ok := known[s.ID]
		switch {
		case !ok && c.replace:
			c.incompatible(&s, "and it does not know that")
		case ok && version < s.Version:
			c.incompatible(&s, fmt.Sprintf("and it knows version %d", version))
		}
	}
}

func (c *checker) incompatible(s *state, why string) {
	c.add(Finding{Code: CodeStates, Effect: Refused, Module: s.by, Who: []string{s.by}, Message: fmt.Sprintf(
		"%s has changed more than functions (version %d of %s), %s", s.by, s.Version, stateName(s.ID), why)})
}

// stateName names a state: those of package module are words.
func stateName(id uint64) string {
	b := binary.LittleEndian.AppendUint64(nil, id)
	if bytes.HasPrefix(b, []byte("gosp")) {
		return fmt.Sprintf("state %q", b)
	}
	return fmt.Sprintf("state %#x", id)
}

// A state is what a livepatch that is loaded has changed.
type state struct {
	kofile.State
	by string // its name
}

// Bounds of what is followed in the memory of the kernel.
const (
	maxPatches = 1000
	maxStates  = 1000
)

// changedStates goes over the list of livepatches that the kernel has.
func (c *checker) changedStates() ([]state, error) {
	head, ok := c.at["klp_patches"]
	if !ok {
		return nil, fmt.Errorf("the kernel shows no symbol klp_patches")
	}
	text, err := c.read("sys/kernel/btf/vmlinux")
	if err != nil {
		return nil, err
	}
	l, err := kernel.ReadLayout([]byte(text))
	if err != nil {
		return nil, err
	}
	core, err := c.openCore()
	if err != nil {
		return nil, err
	}
	defer core.file.Close()
	return statesOf(&reader{core: core.obj}, head, l)
}

// statesOf goes over a list of livepatches.
func statesOf(r *reader, head uint64, l kernel.Layout) ([]state, error) {
	patch := l["klp_patch"].Offsets
	var out []state
	for i, at := 0, r.word(head); at != head && r.err == nil; i, at = i+1, r.word(at) {
		if i == maxPatches {
			return nil, fmt.Errorf("the list of livepatches has no end")
		}
		start := at - patch["list"]
		name := r.name(r.word(start+patch["mod"]) + l["module"].Offsets["name"])
		if states := r.word(start + patch["states"]); states != 0 {
			out = append(out, r.states(states, l["klp_state"], name)...)
		}
	}
	return out, r.err
}

// A reader reads the memory of the kernel until something can't be read.
type reader struct {
	core interface {
		ReadAddr(p []byte, addr uint64) (int, error)
	}
	err error
}

func (r *reader) bytes(at uint64, n int) []byte {
	b := make([]byte, n)
	if r.err == nil {
		_, r.err = r.core.ReadAddr(b, at)
	}
	return b
}

func (r *reader) word(at uint64) uint64 { return binary.LittleEndian.Uint64(r.bytes(at, 8)) }

// name reads the name of a module (MODULE_NAME_LEN of include/linux/moduleparam.h).
func (r *reader) name(at uint64) string {
	b, _, _ := bytes.Cut(r.bytes(at, 56), []byte{0})
	return string(b)
}

// states reads an array that a state without an id ends.
func (r *reader) states(at uint64, l kernel.Struct, by string) (out []state) {
	for range maxStates {
		id := r.word(at + l.Offsets["id"])
		if id == 0 || r.err != nil {
			break
		}
		version := binary.LittleEndian.Uint32(r.bytes(at+l.Offsets["version"], 4))
		out = append(out, state{kofile.State{ID: id, Version: version}, by})
		at += l.Size
	}
	return out
}
