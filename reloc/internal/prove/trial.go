package prove

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
)

// A Space is what kind of value a key names.
type Space uint8

// The kinds of value.
const (
	InAtom    Space = iota // run address of a place in a pre atom
	InAddress              // run address of a symbol that pre doesn't define, or that may be preempted
	InPLT                  // the symbol's PLT entry
	InGOT                  // its GOT slot
	InTPAtom               // thread pointer offset of a TLS atom
	InTPOff                // thread pointer offset of a symbol
	InTLSAtom              // offset of a TLS atom in the TLS block
	InTLS                  // offset of a symbol in the TLS block
	InTLSSlot              // GOT slot (pair) of a TLS symbol
	inRuntime              // content of the runtime constant that a section describes, by its atom
)

// A Key names one unknown: what matching solves for.
type Key struct {
	Space Space
	ID    int32 // an AtomID or a symbol index, depending on Space
	Off   int64 // of InAtom with a function: the place in it; 0 otherwise
}

// A Binding is one equation solved: Key is Value, as the reference at offset Ref of the atom
// that was tried says.
type Binding struct {
	Key   Key
	Value uint64
	Ref   uint64
	More  uint32 // how many more references of that atom say the same
	// Soft says that the value is a hint only: the reference may have been
	// preempted, or the literal it leads to has no identity.
	Soft bool
}

// A Node is an atom tried at an address.
type Node struct {
	Atom object.AtomID
	Addr uint64
}

// A Trial is the outcome of comparing one atom with run at one address. It depends on
// nothing but these two, and the image, so that the order of trials has no influence on the
// result; once it is made nothing changes it.
type Trial struct {
	Node
	Size    uint64 // bytes in run
	Shifts  []shift
	Binds   []Binding
	Consts  []int32 // indices into Binds of constants whose content is a part of this
	Patches []image.Patch
	Err     *Difference

	// away says that it is code that is live elsewhere than in the module home, to which
	// what it refers to belongs.
	away bool
	home int
}

// At maps an offset in pre to a run address.
func (t *Trial) At(off int64) uint64 {
	if off >= 0 && len(t.Shifts) > 0 {
		return t.Addr + RunOffset(t.Shifts, uint64(off))
	}
	return t.Addr + uint64(off)
}

// shift says that from an offset in pre on, run is further behind: the instruction at
// offset Pre of the function stands at offset Run.
type shift struct{ Pre, Run uint64 }

// RunOffset maps an offset in pre to one in run, both from the start of the function.
func RunOffset[S ~struct{ Pre, Run uint64 }](shifts []S, pre uint64) uint64 {
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
func (t *Trial) bind(b Binding) { t.Binds = append(t.Binds, b) }

// Fail makes the error of a trial. Details are formatted when there is a
// format.
func (t *Trial) Fail(r reason, off, runOff uint64, format string, args ...any) *Difference {
	e := &Difference{Addr: t.Addr, Reason: r, Offset: off, RunOffset: runOff}
	if format != "" {
		e.Detail = fmt.Sprintf(format, args...)
	}
	return e
}
