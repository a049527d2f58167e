package reloc

import (
	"cmp"
	"fmt"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
	"slices"
)

// space is what kind of value a key names.
type space uint8

const (
	inAtom    space = iota // run address of a place in a pre atom
	inAddress              // run address of a symbol that pre doesn't define, or that may be preempted
	inPLT                  // the symbol's PLT entry
	inGOT                  // its GOT slot
	inTPAtom               // thread pointer offset of a TLS atom
	inTPOff                // thread pointer offset of a symbol
	inTLSAtom              // offset of a TLS atom in the TLS block
	inTLS                  // offset of a symbol in the TLS block
	inTLSSlot              // GOT slot (pair) of a TLS symbol
	inRuntime              // content of the runtime constant that a section describes, by its atom
)

// key names one unknown: what matching solves for.
type key struct {
	space space
	id    int32 // an AtomID or a symbol index, depending on space
	off   int64 // of inAtom with a function: the place in it; 0 otherwise
}

// binding is one equation solved: key is value, as the reference at offset ref
// of the atom that was tried says.
type binding struct {
	key   key
	value uint64
	ref   uint64
	more  uint32 // how many more references of that atom say the same
	// soft says that the value is a hint only: the reference may have been
	// preempted, or the literal it leads to has no identity.
	soft bool
}

// node is an atom tried at an address.
type node struct {
	atom object.AtomID
	addr uint64
}

// trial is the outcome of comparing one atom with run at one address. It depends on
// nothing but these two, and the image, so that the order of trials has no influence on the
// result; once it is made nothing changes it.
type trial struct {
	node
	size    uint64 // bytes in run
	shifts  []shift
	binds   []binding
	consts  []int32 // indices into binds of constants whose content is a part of this
	patches []image.Patch
	err     *difference

	// away says that it is code that is live elsewhere than in the module home, to which
	// what it refers to belongs.
	away bool
	home int
}

// at maps an offset in pre to a run address.
func (t *trial) at(off int64) uint64 {
	if off >= 0 && len(t.shifts) > 0 {
		return t.addr + runOffset(t.shifts, uint64(off))
	}
	return t.addr + uint64(off)
}

// shift says that from an offset in pre on, run is further behind: the instruction at
// offset Pre of the function stands at offset Run.
type shift struct{ Pre, Run uint64 }

// runOffset maps an offset in pre to one in run, both from the start of the function.
func runOffset[S ~struct{ Pre, Run uint64 }](shifts []S, pre uint64) uint64 {
	i, found := slices.BinarySearchFunc(shifts, pre, func(s S, p uint64) int {
		return cmp.Compare(struct{ Pre, Run uint64 }(s).Pre, p)
	})
	if !found {
		i--
	}
	if i < 0 {
		return pre
	}
	s := struct{ Pre, Run uint64 }(shifts[i])
	return s.Run + (pre - s.Pre)
}

// bind adds an equation.
func (t *trial) bind(b binding) { t.binds = append(t.binds, b) }

// fail makes the error of a trial. Details are formatted when there is a
// format.
func (t *trial) fail(r reason, off, runOff uint64, format string, args ...any) *difference {
	e := &difference{Addr: t.addr, Reason: r, Offset: off, RunOffset: runOff}
	if format != "" {
		e.Detail = fmt.Sprintf(format, args...)
	}
	return e
}
