package ko

import "github.com/gosplice/gosplice/elfdiff/elfobj"

// A Dest is where a reference leads: to a symbol of the file, with what to add to the
// addend. In a module that is patched it is a part of that module's memory, by its
// number from 1 on, and the offset in it.
type Dest struct {
	Symbol elfobj.SymbolIndex
	Part   int // 0 for a symbol
	Addend int64
	Memory Memory
	// From is set for what another object of the update defines, by the index
	// of the symbol there, until that one is placed.
	From  *Placing
	Index int
}

// Final returns what a destination is once all objects are placed.
func (d Dest) Final() Dest {
	if d.From != nil {
		return d.From.Syms[d.Index]
	}
	return d
}

// Memory says how the running kernel has what a reference leads to.
type Memory uint8

// The kinds of memory.
const (
	MemoryUnknown  Memory = iota // of a module, or a number
	MemoryPlain                  // code reaches it by its address
	MemoryReadOnly               // likewise, and nobody can write to it
	MemoryPerCPU                 // its address is an offset in the area of each processor
	MemoryNoEndbr                // code that an indirect branch may not lead to
)
