package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image/internal/btf"
)

// A Livepatch is a function that a running kernel has replaced.
type Livepatch struct {
	Old uint64 // run address of the function
	New uint64 // run address of what is called instead
}

// Livepatches returns the functions that livepatches have replaced at present, by
// the address of the old one: of several patches for one function the latest
// counts. It follows the list klp_ops (kernel/livepatch/patch.c of Linux 6.1)
// through memory, by the structures that the kernel's own BTF describes. The
// result is empty for a kernel that has none, and for whatever is no running
// kernel.
func (img *Image) Livepatches() (map[uint64]Livepatch, error) {
	if !img.running {
		return nil, nil
	}
	var head uint64
	for _, s := range img.Lookup("klp_ops") {
		head = s.Addr
	}
	if head == 0 {
		return nil, nil // built without livepatch
	}
	r := listReader{img: img}
	first := r.word(head)
	if first == head || first == 0 || r.err != nil {
		return nil, r.err
	}
	l, err := img.layout(klpMembers)
	if err != nil {
		return nil, fmt.Errorf("livepatches: %w", err)
	}
	out := make(map[uint64]Livepatch)
	fn, ops := l["klp_func"], l["klp_ops"]
	for node, n := first, 0; node != head; node, n = r.word(node), n+1 {
		if n >= maxLivepatches {
			return nil, fmt.Errorf("livepatches: more than %d, or a list without an end", maxLivepatches)
		}
		top := r.word(node - ops["node"] + ops["func_stack"]) // the latest is first
		f := top - fn["stack_node"]
		p := Livepatch{Old: r.word(f + fn["old_func"]), New: r.word(f + fn["new_func"])}
		if r.err != nil {
			return nil, fmt.Errorf("livepatches: %w", r.err)
		}
		if x := img.RegionAt(p.Old); x == nil || !x.Exec {
			return nil, fmt.Errorf("livepatches: %#x is no code", p.Old)
		}
		out[p.Old] = p
	}
	return out, nil
}

// LivepatchAt returns what has replaced the function at an address, as [Image.Livepatches]
// had it when this was asked first; false when nothing has, or that can't be found out.
func (img *Image) LivepatchAt(addr uint64) (Livepatch, bool) {
	if img.livepatches == nil {
		return Livepatch{}, false
	}
	p, ok := img.livepatches()[addr]
	return p, ok
}

// exitMembers is where the function is that ends a module (include/linux/module.h).
var exitMembers = map[string][]string{"module": {"exit"}}

// ModuleExit returns the address of the function that the running kernel calls when a module
// is removed, by its struct module; 0 where it has none. The error wraps fs.ErrNotExist for an
// image that is no running kernel, or has no such module.
func (img *Image) ModuleExit(module string) (uint64, error) {
	if !img.running {
		return 0, fmt.Errorf("exit function of %s: %w", module, fs.ErrNotExist)
	}
	for _, s := range img.Lookup("__this_module") {
		if s.Module < 0 || s.Module >= len(img.modules) || img.modules[s.Module].Name != module {
			continue
		}
		l, err := img.layout(exitMembers)
		r := listReader{img: img, err: err}
		addr := r.word(s.Addr + l["module"]["exit"])
		if r.err != nil {
			return 0, fmt.Errorf("exit function of %s: %w", module, r.err)
		}
		return addr, nil
	}
	return 0, fmt.Errorf("exit function of %s: %w", module, fs.ErrNotExist)
}

// maxLivepatches bounds a list that is damaged, or changes while it is read.
const maxLivepatches = 1 << 16

// listReader reads words, until one can't be read.
type listReader struct {
	img *Image
	err error
}

func (r *listReader) word(addr uint64) uint64 {
	var b [8]byte
	if r.err == nil {
		r.err = r.img.ReadAddr(b[:], addr)
	}
	return binary.LittleEndian.Uint64(b[:])
}

// klpMembers are what is read of the structures of livepatch (kernel/livepatch/patch.h,
// include/linux/livepatch.h).
var klpMembers = map[string][]string{"klp_func": {"old_func", "new_func", "stack_node"}, "klp_ops": {"node", "func_stack"}}

// layout reads where members of structures are from the BTF that a kernel maps.
func (img *Image) layout(members map[string][]string) (map[string]map[string]uint64, error) {
	bounds := kerneltab.Named(kerneltab.BTF).Bounds
	lo, hi := img.Lookup(bounds.Start), img.Lookup(bounds.Stop)
	const most = 64 << 20
	if len(lo) != 1 || len(hi) != 1 || hi[0].Addr < lo[0].Addr || hi[0].Addr-lo[0].Addr > most {
		return nil, errors.New("the kernel has no BTF, or its symbols don't say where")
	}
	b := make([]byte, hi[0].Addr-lo[0].Addr)
	if err := img.ReadAddr(b, lo[0].Addr); err != nil {
		return nil, err
	}
	return btf.Offsets(b, members)
}
