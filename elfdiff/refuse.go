package elfdiff

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotRelocatable is returned for an ELF file that a linker has finished
// with: only relocatable objects (.o) can be compared.
var ErrNotRelocatable = errors.New("not a relocatable object")

// ErrRefused is what [Extract] returns, wrapped in a [*RefusedError], when a
// change can't be carried.
var ErrRefused = errors.New("refused")

// Code names a kind of finding or refusal. Codes are stable.
type Code string

// The refusals of this package.
const (
	CodeDataChanged      Code = "data-changed"       // the initial value of writable data
	CodeDataResized      Code = "data-resized"       // the size of an existing object
	CodeKindChanged      Code = "kind-changed"       // writable data became constant, or the reverse
	CodeConstShared      Code = "const-shared"       // a changed constant that others than this object's functions can see
	CodeTLSChanged       Code = "tls-changed"        // new or changed thread-local data
	CodeAmbiguousStatic  Code = "ambiguous-static"   // static data that can't be paired, so that its state would be lost
	CodeSpecialSection   Code = "special-section"    // an entry of a table about a changed function that is not carried
	CodeOpaqueCode       Code = "opaque-code"        // code that does not decode
	CodeEdgeReference    Code = "edge-reference"     // a reference that could mean either of two neighbours
	CodeInnerReference   Code = "inner-reference"    // a reference into the middle of a function whose layout differs
	CodeShortBranch      Code = "short-branch"       // a one-byte branch out of a changed function, with no room for a jump where it leads
	CodeEntryPoints      Code = "entry-points"       // a changed function that can be entered in the middle
	CodeIndirectFunction Code = "indirect-function"  // a changed IFUNC resolver
	CodeRelocation       Code = "unknown-relocation" // a relocation type that we can't apply
	CodeOrphanCold       Code = "orphan-cold"        // a changed cold part whose parent is not known
)

// The findings of this package.
const (
	CodeRemoved           Code = "removed"            // gone from post; it stays in the running program
	CodeConstructor       Code = "constructor"        // a constructor changed; it ran long ago
	CodeCompiler          Code = "compiler"           // pre and post name different compilers
	CodeException         Code = "exception-table"    // a changed function can be unwound by exceptions
	CodeTableDiffers      Code = "table-differs"      // a table about code differs, for functions that do not
	CodeLayoutAmbiguous   Code = "layout-ambiguous"   // objects share a section whose layout changed
	CodeUnreferencedState Code = "unreferenced-state" // static data in pre that post has no twin of
	CodeSymbols           Code = "symbols"            // an alias or the binding of a symbol differs
)

// hints say what the user can do about each code.
var hints = map[Code]string{
	CodeDataChanged:       "leave the initialiser as it is, and set the value in a function of the patch",
	CodeDataResized:       "keep the size; put what is new into an object of its own",
	CodeKindChanged:       "keep the constness of the object",
	CodeConstShared:       "copy the table under a new name, and change the functions that use it",
	CodeTLSChanged:        "use a map keyed by thread, or restart the program",
	CodeAmbiguousStatic:   "give the static variables distinct names in both sources",
	CodeSpecialSection:    "leave the function without what makes this entry, or build without it",
	CodeOpaqueCode:        "move data out of the code, or leave this assembly alone",
	CodeEdgeReference:     "compile pre and post with -fdata-sections",
	CodeInnerReference:    "compile pre and post with -ffunction-sections",
	CodeShortBranch:       "compile pre and post with -ffunction-sections",
	CodeEntryPoints:       "leave this assembly alone",
	CodeIndirectFunction:  "change the implementations instead of the resolver",
	CodeRelocation:        "compile without what makes this relocation",
	CodeOrphanCold:        "compile with -fno-reorder-blocks-and-partition",
	CodeRemoved:           "nothing calls it any more once the update is applied; code that kept its address still can",
	CodeConstructor:       "what the constructor would do must be done by other means",
	CodeCompiler:          "use one compiler and one set of options for both, or the differences mean nothing",
	CodeException:         "targets that can't register unwinding tables will refuse this function",
	CodeTableDiffers:      "look at the functions the table describes",
	CodeLayoutAmbiguous:   "compile pre and post with -fdata-sections to be certain",
	CodeUnreferencedState: "the running program keeps it; nothing new uses it",
	CodeSymbols:           "code that is linked later finds the names of the running program, not those of post",
}

// A Finding is something that a person should know about a diff.
type Finding struct {
	Code    Code   `json:"code"`
	Symbol  string `json:"symbol"`  // "" when it concerns the object as a whole
	Section string `json:"section"` // "" likewise
	Offset  uint64 `json:"offset"`  // from the start of the section, in bytes
	Message string `json:"message"`
	Hint    string `json:"hint"` // what the user can do
}

// String returns the finding on one line, without the hint.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", f.Code)
	if f.Symbol != "" {
		fmt.Fprintf(&b, "%s: ", f.Symbol)
	}
	b.WriteString(f.Message)
	if f.Section != "" {
		fmt.Fprintf(&b, " (%s+%#x)", f.Section, f.Offset)
	}
	return b.String()
}

// A Refusal is a reason why a change can't be carried.
type Refusal struct{ Finding }

// Error returns the refusal on one line.
func (r *Refusal) Error() string { return r.String() }

// RefusedError lists all the refusals of a diff. It is [ErrRefused].
type RefusedError struct{ Refusals []Refusal }

// Error returns the first refusal, and how many more there are.
func (e *RefusedError) Error() string {
	s := "refused: " + e.Refusals[0].Error()
	if n := len(e.Refusals) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Is makes the error an [ErrRefused].
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// finding makes a finding about a place in an atom of the object.
func (o *Object) finding(code Code, id AtomID, off uint64, format string, args ...any) Finding {
	f := Finding{Code: code, Message: fmt.Sprintf(format, args...), Hint: hints[code]}
	if id != NoAtom {
		a := &o.Atoms[id]
		f.Symbol, f.Section, f.Offset = a.Name, o.sectionName(a.Section), a.Offset+off
	}
	return f
}

// refuse adds a refusal, once per code and place.
func (j *judge) refuse(f Finding) {
	key := Finding{Code: f.Code, Symbol: f.Symbol, Section: f.Section, Offset: f.Offset}
	if !j.refused[key] {
		j.refused[key] = true
		j.Refusals = append(j.Refusals, Refusal{f})
	}
}

func (j *judge) find(f Finding) { j.Findings = append(j.Findings, f) }
