package prove

// A reason says in which way run differs from pre.
type reason uint8

// The reasons; package reloc has them with the same numbers.
const (
	ReasonBytes       reason = iota // an instruction or its operands differ
	ReasonBranch                    // a branch leads to another place of the function
	ReasonContent                   // a constant or string that the function refers to differs
	ReasonImplausible               // a reference leads to memory of the wrong kind
	ReasonSymbol                    // a reference leads to something else than the symbol that it names
	ReasonConflict                  // two references give one symbol different values
	ReasonRedirected                // the function begins with a jump that pre doesn't have
	ReasonBreakpoint                // a breakpoint (int3) stands where pre has an instruction
	ReasonUnreadable                // run memory can't be read
	ReasonUnsupported               // a relocation of a type that can't be solved
	ReasonTable                     // a table of the kernel says something else about a place (bugs, faults)
)

// A Difference says where and how run differs from pre.
type Difference struct {
	Addr      uint64 // where the function or constant stands in run
	Reason    reason
	Offset    uint64 // of the first difference, from the start of the atom in pre, bytes
	RunOffset uint64 // likewise in run; other than Offset behind a jump of another width
	Pre, Run  []byte // the instruction at Offset; of ReasonContent the differing bytes of the data
	// Target is the address that a reference or a redirection leads to, or of the first
	// differing byte of ReasonContent; 0 when there is none.
	Target uint64
	Detail string // in words
	Err    error  // of ReasonUnreadable and ReasonUnsupported
}
