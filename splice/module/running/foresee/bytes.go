package foresee

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
)

// bytes compares the code that a module of package module wants to find in the kernel itself, as
// its init does. Of modules nothing is compared here.
func (c *checker) bytes(context.Context) error {
	if c.file.Module == nil {
		return nil
	}
	checks, err := c.ko.Checks(c.file.Name)
	if err != nil {
		c.unseen(Unknown, "which code it wants to find", err, "")
		return nil
	}
	for _, name := range c.targets() {
		if c.exists("sys/module/" + name) {
			c.add(Finding{Code: CodeUncompared, Effect: Note, Module: name, Message: "the code of " + name + " is compared when it is loaded"})
		}
	}
	if c.otherBuild() {
		return nil
	}
	core, err := c.openCore()
	if err != nil {
		c.unseen(Unknown, "the code that runs", err, c.unmounted("proc", "proc/self"))
		return nil
	}
	defer core.file.Close()
	for i := range checks {
		c.compare(core, &checks[i])
	}
	return nil
}

// otherBuild reports whether it was found that another build runs: everything differs then.
func (c *checker) otherBuild() bool {
	for i := range c.out.Findings {
		if c.out.Findings[i].Code == module.CodeOtherBuild {
			return true
		}
	}
	return false
}

// A core is the memory of the kernel, as /proc/kcore has it.
type core struct {
	obj  *elfobj.File
	file io.Closer
}

func (c *checker) openCore() (*core, error) {
	f, err := c.root.Open("proc/kcore")
	if err != nil {
		return nil, err
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		f.Close()
		return nil, errors.New("proc/kcore can't be read at an offset")
	}
	obj, err := elfobj.NewFile(r, math.MaxInt64)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &core{obj, f}, nil
}

// compare compares one stretch.
func (c *checker) compare(core *core, k *kofile.Check) {
	base, ok := c.at[k.At.Symbol]
	if !ok {
		c.unseen(Unknown, "where "+k.Name+" is", fs.ErrPermission, "")
		return
	}
	want, ok := c.wanted(k)
	if !ok {
		c.unseen(Unknown, "what "+k.Name+" refers to", nil, "")
		return
	}
	run := make([]byte, len(want))
	at := base + uint64(k.At.Addend)
	if _, err := core.obj.ReadAddr(run, at); err != nil {
		c.unseen(Unknown, "the code of "+k.Name, err, "")
		return
	}
	for i := range run {
		if (run[i]^want[i])&k.Mask[i] != 0 {
			c.changed(k.Name, uint64(i), run[i])
			return
		}
	}
}

// wanted returns the bytes of a check with the addresses that the loader fills in.
func (c *checker) wanted(k *kofile.Check) ([]byte, bool) {
	want := append([]byte(nil), k.Want...)
	for _, f := range k.Fields {
		base, ok := c.at[f.To.Symbol]
		if !ok {
			return nil, false
		}
		v := base + uint64(f.To.Addend)
		switch f.Type {
		case elf.R_X86_64_64:
			if f.Offset+8 > uint64(len(want)) {
				return nil, false
			}
			binary.LittleEndian.PutUint64(want[f.Offset:], v)
		case elf.R_X86_64_32, elf.R_X86_64_32S:
			if f.Offset+4 > uint64(len(want)) {
				return nil, false
			}
			binary.LittleEndian.PutUint32(want[f.Offset:], uint32(v))
		default:
			return nil, false
		}
	}
	return want, true
}

// breakpoint is what a kprobe writes: INT3.
const breakpoint = 0xcc

// changed reports code that is not as wanted, unless a probe there is told already.
func (c *checker) changed(name string, off uint64, is byte) {
	for i := range c.out.Findings {
		if f := &c.out.Findings[i]; f.Code == splice.CodeChanged && f.Function == name {
			return
		}
	}
	message := fmt.Sprintf("its code differs at +%#x from what the update was made for", off)
	if is == breakpoint {
		message += ": there is a breakpoint, as kprobes and debuggers write"
	} else {
		message += ", and nothing tells who changed it"
	}
	c.add(Finding{Code: splice.CodeChanged, Effect: Refused, Function: name, Message: message})
}
