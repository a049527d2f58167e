package ehframe

// Register numbers of the x86-64 psABI, figure 3.36, in DWARF's order, which is
// not that of the instruction encoding.
const (
	RAX = iota
	RDX
	RCX
	RBX
	RSI
	RDI
	RBP
	RSP
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	RA // return address: the program counter of the frame

	numRegs
)

// Regs are the registers of a frame, by DWARF number. R[RA] is the program
// counter.
type Regs struct {
	R [numRegs]uint64

	// Undefined has bit n set when the value of register n is not known.
	Undefined uint32
}

// get returns a register, or ErrUndefined.
func (r *Regs) get(n uint64) (uint64, error) {
	if n >= numRegs || r.Undefined&(1<<n) != 0 {
		return 0, ErrUndefined
	}
	return r.R[n], nil
}

// Memory is what unwinding reads the stack from.
type Memory interface {
	// ReadAddr fills p with the memory at addr, or returns an error.
	ReadAddr(p []byte, addr uint64) (int, error)
}

// A WordReader is a [Memory] that reads words in a way of its own.
type WordReader interface {
	ReadWord(addr uint64) (uint64, error)
}
