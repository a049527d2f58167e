package reloc

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// Verdict is what matching found out about one function.
type Verdict uint8

// The verdicts.
const (
	Absent    Verdict = iota // nothing in run looks like it or bears its name
	Ambiguous                // several places match and nothing decides
	Mismatch                 // it was found, but differs
	Matched                  // it stands at one address, and all of it was verified
)

var verdictNames = [...]string{"absent", "ambiguous", "mismatch", "match"}

// String returns the verdict in lower case: match, mismatch, ambiguous, absent.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// Evidence says what singled out the address of a function, apart from its
// bytes, which are compared in any case. The order is from strong to weak.
type Evidence uint8

// The kinds of evidence.
const (
	NoEvidence  Evidence = iota
	ByReference          // a function that is matched refers to it
	BySymbol             // a symbol of that name stands there and nowhere else where the bytes match
	BySearch             // these bytes are there and nowhere else
	ByCallee             // of several places only there its references lead to what they should
	ByPointer            // of several places data as it was linked points there
	ByFile               // of several places only there the symbol is in the scope of the same source file
	ByLayout             // of several places it is the one at the right distance from the rest of its section, or next to its neighbour in pre
)

var evidenceNames = [...]string{"none", "reference", "symbol", "search", "callee", "pointer", "file", "layout"}

// String returns the evidence in one word.
func (e Evidence) String() string {
	if int(e) < len(evidenceNames) {
		return evidenceNames[e]
	}
	return fmt.Sprintf("evidence(%d)", uint8(e))
}

// A Shift says that from an offset in pre on, run is further behind: the
// instruction at offset Pre of the function stands at offset Run.
type Shift struct{ Pre, Run uint64 }

// FuncResult is what matching found out about one function of pre.
type FuncResult struct {
	Atom    object.AtomID
	Name    string // "" for code without a symbol
	Verdict Verdict
	By      Evidence // of Matched
	Address uint64   // in run; of Matched, and of Mismatch where it was expected
	Size    uint64   // bytes in run; of Matched
	// Shifts map offsets in pre to offsets in run, by Pre, when they are not
	// the same; see RunOffset. Nil means that they are the same throughout.
	Shifts []Shift
	// RunName and SymPos are the symbol of Matched code in run, by which
	// livepatch finds it: 0 when the name is unique, else the position from 1
	// (see [Image.SymPos]). RunName is "" where run has no symbol there.
	RunName string
	SymPos  uint64
	// Mismatch is set exactly when the verdict is Mismatch.
	Mismatch *MismatchError
	// Candidates are the addresses that remain, of Ambiguous, in ascending
	// order. More says that there are too many to list.
	Candidates []uint64
	More       bool
	// Undecided says in words, of Ambiguous, what would decide between them.
	Undecided string
	// Patches are the places of Matched where someone has put something else
	// while it runs, by offset.
	Patches []Patch
	// Redirect says where calls of it lead instead, of Matched and Mismatch;
	// nil when they lead into its own code.
	Redirect *Redirect
	// Freed says that it is one of the functions that only starting needs, so
	// that a running kernel has it no more. Its verdict is Absent.
	Freed bool
	// Weak says that pre defines it as a weak symbol, so that its absence may
	// mean no more than that another definition replaced it; Replacement is
	// the address of that, when it is known.
	Weak        bool
	Replacement uint64
}

// RunOffset maps an offset in pre to one in run, both from the start of the
// function. Only offsets of instructions and the end are certain to be exact.
func (f *FuncResult) RunOffset(pre uint64) uint64 { return prove.RunOffset(f.Shifts, pre) }

// Use is a set of ways in which code refers to a symbol, each of which has a
// value of its own.
type Use uint8

// The uses.
const (
	UseAddress Use = 1 << iota // Value.Address
	UsePLT                     // Value.PLT
	UseGOT                     // Value.GOT
	UseTPOff                   // Value.TPOff
	UseTLS                     // Value.TLS
	UseTLSSlot                 // Value.TLSSlot
)

// A Value is what is known of a symbol's value in run.
type Value struct {
	Name string
	// Symbol is the symbol in pre, 0 when it was found through its atom alone
	// (section symbols); Atom is the atom that it is defined by, or NoAtom.
	Symbol elfobj.SymbolIndex
	Atom   object.AtomID
	Has    Use // which of the following are set
	// Address is the run address: of functions reached through a PLT or GOT
	// the final one, known when the slot is bound.
	Address uint64
	PLT     uint64 // address of the PLT entry that calls go through
	GOT     uint64 // address of the GOT slot that holds the address
	TPOff   int64  // offset from the thread pointer, as local-exec code adds it
	TLS     uint64 // offset in the TLS block of its module, as st_value of a TLS symbol
	TLSSlot uint64 // address of the GOT slot (pair) that describes the TLS symbol
	// From lists the functions whose references determined or confirmed it,
	// in ascending order, up to eight. It is empty when only run's symbols
	// tell: all that refers to it was rewritten when the kernel started.
	From []object.AtomID
}

// Result is the outcome of Match. It is deterministic: the same pre and run
// give the same result, whatever the order of symbols in either.
type Result struct {
	// Functions holds one entry for each function of pre, in file order.
	Functions []FuncResult
	// Symbols holds the value of each symbol that relocations mention and
	// that was found, and of everything named that was located; by name, then
	// atom, then symbol index.
	Symbols []Value
	// TLSBlock is the address of the GOT slots that local dynamic code passes
	// to __tls_get_addr: they describe the TLS block of the module, whatever
	// symbol the relocation names. 0 when no matched code has them.
	TLSBlock uint64

	atoms    []uint64 // by atom: its run address
	located  []bool
	bySymbol []int32 // by symbol of pre: from 1 into Symbols, 0 for none
	funcs    []int32 // by atom: into Functions, -1 for none
	read     *tables // instead of these, of a result that was read
}

// AllMatched reports whether every function is Matched, of which there has to be
// one.
func (r *Result) AllMatched() bool {
	if len(r.Functions) == 0 {
		return false
	}
	for i := range r.Functions {
		if r.Functions[i].Verdict != Matched {
			return false
		}
	}
	return true
}

// Func returns the result for the function with the given atom, or nil.
func (r *Result) Func(id object.AtomID) *FuncResult {
	if r.read != nil {
		if i, ok := r.read.funcs[id]; ok {
			return &r.Functions[i]
		}
		return nil
	}
	if id < 0 || int(id) >= len(r.funcs) || r.funcs[id] < 0 {
		return nil
	}
	return &r.Functions[r.funcs[id]]
}

// AtomAddr returns the run address of a pre atom that was located: a function
// that matched, data or constants that matched functions refer to. For strings
// and mergeable constants, of which there may be several copies, it is the
// lowest address that they were found at.
func (r *Result) AtomAddr(id object.AtomID) (uint64, bool) {
	if r.read != nil {
		addr, ok := r.read.atoms[id]
		return addr, ok
	}
	if id < 0 || int(id) >= len(r.atoms) || !r.located[id] {
		return 0, false
	}
	return r.atoms[id], true
}

// SymbolValue returns what is known about a symbol of pre, defined or not.
func (r *Result) SymbolValue(i elfobj.SymbolIndex) (Value, bool) {
	if r.read != nil {
		k, ok := r.read.symbols[i]
		if !ok {
			return Value{}, false
		}
		return r.Symbols[k], true
	}
	if int(i) >= len(r.bySymbol) || r.bySymbol[i] == 0 {
		return Value{}, false
	}
	return r.Symbols[r.bySymbol[i]-1], true
}
