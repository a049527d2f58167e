package object

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/words"
)

// AtomID numbers the atoms of one [Object] in the order of their sections and
// offsets, from 0.
type AtomID int32

// NoAtom stands for the target of a reference that leaves the object: an
// undefined, absolute or common symbol.
const NoAtom AtomID = -1

// Kind says what an [Atom] holds, and by that how it is correlated, compared
// and carried.
type Kind uint8

// The kinds of atom. Their order has no meaning.
const (
	Meta    Kind = iota // debug information, notes: never compared or carried
	Func                // code
	Data                // writable data, initialised or not: state of the running program
	Const               // read-only data, named (a table) or anonymous (a literal, a jump table)
	String              // one NUL-terminated literal of a SHF_MERGE|SHF_STRINGS section
	Merge               // one entry of another SHF_MERGE section
	TLS                 // thread-local data: a template, addressed relative to the thread pointer
	Unwind              // one record (CIE or FDE) of .eh_frame
	LSDA                // the exception table of one function (.gcc_except_table)
	Special             // a table that describes code: kernel tables, constructors
)

var kindNames = [...]string{"meta", "function", "data", "const", "string", "merge", "tls", "unwind", "lsda", "special"}

// String returns the kind in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// MarshalText makes a Kind a word in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the word of a Kind.
func (k *Kind) UnmarshalText(b []byte) error { return words.Parse(k, b, kindNames[:], "kind") }

// IsLiteral reports whether atoms of this kind have no identity: several with
// the same content may be one, or not, as compilers and linkers like it.
func (k Kind) IsLiteral() bool { return k == String || k == Merge }

// Atom is the smallest piece of an object that is compared and carried as a
// whole: a function, a variable, a string literal, a table entry. Ksplice
// calls it a span. With -ffunction-sections and -fdata-sections most sections
// are one atom; without, a section is cut at its symbols, and anonymous
// read-only data at the places that something refers to.
type Atom struct {
	ID      AtomID
	Kind    Kind
	NoBits  bool   // occupies no bytes in the file (.bss)
	Jumps   bool   // a jump table: each entry leads into one function
	Opaque  bool   // code that was found not to decode to its end; most is not looked at
	Place   bool   // a record about a place in the source, for messages: compared by content wherever it is used
	Aside   bool   // a piece of code out of line that belongs to the places that refer to it
	Name    string // its best symbol; "" for anonymous data
	Section elfobj.SectionIndex
	Offset  uint64 // from the start of the section, in bytes
	Size    uint64 // in bytes
	// Symbols are those defined inside it, by value: its name, aliases,
	// further entry points and local labels.
	Symbols []elfobj.SymbolIndex
	// Bytes is its content, sliced from the file; nil when NoBits is set.
	Bytes []byte
	// Refs are the references it makes, by Offset.
	Refs []Ref
	// Owner is the function that the atom belongs to: the parent of a cold
	// part, the one function that uses a jump table, the function that an FDE
	// or an LSDA describes. NoAtom when it stands for itself.
	Owner AtomID
}

// End returns the offset just behind the atom, from the start of its section.
func (a *Atom) End() uint64 { return a.Offset + a.Size }

// Anonymous reports whether the atom has no symbol, so that nothing but the
// references to it tell where it starts.
func (a *Atom) Anonymous() bool { return a.Name == "" }

// Ref is one reference: a relocation, or a branch to another atom of the same
// section that the assembler resolved.
type Ref struct {
	Offset uint64             // of the field, from the start of the atom that holds it
	Type   uint32             // R_X86_64_*; R_X86_64_PC32 when Implicit
	Sym    elfobj.SymbolIndex // as in the file; 0 when Implicit
	Addend int64              // as in the file
	// Target is the atom that the reference means, and TargetOff the place in
	// it, in bytes from its start. The distance from the field to the end of
	// its instruction, which the addend of a PC-relative field includes, is
	// taken out: a call to foo is foo+0. For NoAtom, TargetOff is the addend
	// without that distance.
	Target    AtomID
	TargetOff int64
	// Implicit marks a reference that has no relocation in the file, since
	// the assembler knew the distance.
	Implicit bool
	// Edge marks a reference through a section symbol to a place on the
	// border of two atoms: the end of the one or the start of the other.
	Edge bool
}
