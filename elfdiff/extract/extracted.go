// Package extract has the forms of what an update carries: a relocatable object with the
// changed functions and what travels with them, and what the target has to do beside it,
// see elfdiff.Extract.
package extract

import (
	"errors"
	"io"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// A DataUpdate is a constant of pre that gets the content that it has in post:
// of the same size, at the same place. Nothing but the object's own references
// changes; who reads it while it is written may see a mix of both, so that it is
// for tables whose entries are independent of each other.
type DataUpdate struct {
	Name string
	Pre  object.AtomID
	// Old and New are its content before and after, with the fields of references
	// zero.
	Old, New []byte
	// Relas are the references of New, to symbols of the extracted object.
	// Offsets are from the start of the constant.
	Relas []elfobj.Rela
}

// An InitialUpdate is a writable variable of pre whose initial value differs in post,
// with the members that differ: those that still hold what they held at the start
// get the new value.
type InitialUpdate struct {
	Name string
	Pre  object.AtomID
	// Old and New are its initial content before and after, with the fields of
	// references zero.
	Old, New []byte
	// Relas are the references of New inside Members, to symbols of the extracted
	// object. Offsets are from the start of the variable.
	Relas   []elfobj.Rela
	Members []InitialMember
}

// An InitialMember is an aligned word of a variable that is compared and written as a
// whole.
type InitialMember struct {
	Name   string // as C has it: variable[2].mode; variable+0x10 where that is not known
	Offset uint64 // from the start of the variable, bytes
	Size   uint64 // 1, 2, 4 or 8 bytes
}

// An Alignment is what code that travels assumes of the address of something that
// stays where it is: a compiler relies on the alignment that it gave an object, but
// the running program has the object as pre was aligned. The target has to check it.
type Alignment struct {
	Symbol elfobj.SymbolIndex // in the extracted object: one of Externals
	Offset int64              // from the symbol, in bytes
	Align  uint64             // in bytes, a power of two
	// Function is the name of the code that assumes it, At the offset there; ""
	// and 0 where it is the object as a whole that is aligned so in post.
	Function string
	At       uint64
}

// Kept is something that travels, and whose address gets where others can find it
// when the update is gone: stored in an object that lives on, passed to a function
// that may keep it, returned, or reachable from what that happened to.
type Kept struct {
	// Post is what travels; NoAtom when it is Symbol, which post does not define:
	// then it matters if another object of the update brings that along.
	Post   object.AtomID
	Symbol string
	Name   string // of it, for people
	// Where and Offset are the instruction, or the field of a constant that is
	// overwritten, in post.
	Where  object.AtomID
	Offset uint64
	How    string // what happens there: "is passed to add_timer as argument 1"
	// Pre is a literal of pre with the same content, or NoAtom. The address that it
	// has in what runs serves as well, and stays.
	Pre object.AtomID
}

// String returns what is kept, and how.
func (k *Kept) String() string { return k.Name + " " + k.How }

// Extracted is a relocatable object with just what an update carries: the
// changed functions and what travels with them. References to everything else
// are undefined symbols.
type Extracted struct {
	// Spec is the object.
	Spec *elfobj.Spec
	// Replacements are the functions that replace one of pre.
	Replacements []Replacement
	// Externals are the undefined symbols.
	Externals []External
	// Immediates are bytes of code that depend on the running kernel.
	Immediates []RuntimeImmediate
	// InPlace are the constants that the target has to overwrite, see
	// elfdiff.Options.InPlace.
	InPlace []DataUpdate
	// Alignments are what the target has to check of the addresses of Externals.
	Alignments []Alignment
	// Initials are the variables of which the target has to set members, see
	// elfdiff.Options.Initials.
	Initials []InitialUpdate
	// Originals are literals that pre has too, and whose address others may keep: where
	// the target knows the address in what runs, it does for the section's start.
	Originals []Original
}

// Located tells the addresses in a target of what pre has, as reloc.Result does; false where it
// does not know one.
type Located interface {
	AtomAddr(pre object.AtomID) (uint64, bool)
}

// An Original is a literal of pre that is the same as one that travels.
type Original struct {
	Section elfobj.SectionIndex // of the extracted object; nothing else is in it
	Pre     object.AtomID
}

// A Replacement says which function of pre a function of the extracted object
// replaces.
type Replacement struct {
	Name string
	Pre  object.AtomID
	New  elfobj.SymbolIndex // in the extracted object
}

// A TailCall is a function of pre that takes effect by its callers, and those of them that jump to it
// at their end.
type TailCall struct {
	Function object.AtomID
	Callers  []object.AtomID
}

// An External says what an undefined symbol of the extracted object stands
// for: an atom of pre, at its start, or, with Pre NoAtom, something that pre
// does not define either.
type External struct {
	Symbol elfobj.SymbolIndex // in the extracted object
	Name   string             // in pre or post; the symbol may have another to be unique
	Pre    object.AtomID
}

// WriteTo writes the object, the same bytes for the same diff.
func (x *Extracted) WriteTo(w io.Writer) (int64, error) {
	if x.Spec == nil {
		return 0, errors.New("write: no object was extracted")
	}
	return x.Spec.WriteTo(w)
}

// A RuntimeImmediate is a part of an instruction of carried code that must have the value of a
// variable of the running kernel before the code runs: the count of a shift, or a mask, which the
// kernel writes into its own code while it boots (arch/x86/include/asm/runtime-const.h of Linux).
type RuntimeImmediate struct {
	Section  elfobj.SectionIndex // of the extracted object
	Offset   uint64              // of the first byte
	Size     uint64              // in bytes: 1 for the count of a shift, 4 for a mask
	Variable elfobj.SymbolIndex  // whose lowest bytes they are
}
