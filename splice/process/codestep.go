//go:build linux && amd64

package process

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/ehframe"
	"github.com/gosplice/gosplice/reloc/image"
)

// codeStepper finds the caller of a function without unwind information, such as
// those of musl, by its code: on any way from the program counter to a return the
// stack pointer moves by the same distance, since a function has one frame. What
// stands there is believed when it is behind a call of this very function.
type codeStepper struct {
	mem readerAt
	// function returns the function that an address lies in, by symbols.
	function func(pc uint64) (start, end uint64, ok bool)
}

const (
	maxWay      = 2000     // instructions
	maxAsmFunc  = 512      // bytes, of a function whose size no symbol tells
	maxCodeFunc = 64 << 10 // bytes, of any
)

// step returns the registers of the caller. exact says that the program counter
// is the next instruction, and no return address.
func (c *codeStepper) step(regs *ehframe.Regs, exact bool) (caller ehframe.Regs, ok bool) {
	pc := regs.R[ehframe.RA]
	at := pc
	if !exact {
		at--
	}
	start, end, ok := c.function(at)
	if !ok || regs.Undefined&(1<<dwRSP) != 0 || pc >= end {
		return caller, false
	}
	code := make([]byte, end-start)
	if _, err := c.mem.ReadAddr(code, start); err != nil {
		return caller, false
	}
	st, ok := wayOut(code, start, codeState{ip: pc, sp: regs.R[dwRSP]}, regs)
	if !ok {
		return caller, false
	}
	ra, ok := c.word(st.sp)
	if !ok || !c.calls(ra, start) {
		return caller, false
	}
	return c.callerOf(regs, &st, ra)
}

func (c *codeStepper) word(addr uint64) (uint64, bool) {
	var b [8]byte
	_, err := c.mem.ReadAddr(b[:], addr)
	return binary.LittleEndian.Uint64(b[:]), err == nil
}

// callerOf composes the caller's registers. Those that a function has to preserve,
// and does not take from the stack on its way out, are what they are.
func (c *codeStepper) callerOf(regs *ehframe.Regs, st *codeState, ra uint64) (ehframe.Regs, bool) {
	out := *regs
	out.R[ehframe.RA], out.R[dwRSP] = ra, st.sp+8
	for r := range 16 {
		preserved := r == dwRBX || r == dwRBP || r >= dwR12 && r <= dwR15
		switch {
		case r == dwRSP:
		case !preserved:
			out.Undefined |= 1 << r
		case st.saved[r] != 0:
			v, ok := c.word(st.saved[r])
			if !ok {
				return out, false
			}
			out.R[r] = v
			out.Undefined &^= 1 << r
		}
	}
	return out, true
}

// wayOut follows the code to a return, or to a jump out of the function. Where a
// branch leads does not matter, so that the one that goes on is tried first.
func wayOut(code []byte, start uint64, st codeState, regs *ehframe.Regs) (codeState, bool) {
	todo, seen := []codeState{st}, map[uint64]bool{}
	for len(todo) > 0 {
		st, todo = todo[len(todo)-1], todo[:len(todo)-1]
		for st.ip >= start && st.ip-start < uint64(len(code)) && !seen[st.ip] && len(seen) < maxWay {
			seen[st.ip] = true
			b := code[st.ip-start:]
			in, err := amd64.Decode(b)
			if err != nil || in.Class == amd64.Trap {
				break
			}
			if in.Class == amd64.Ret {
				return st, true
			}
			if in.Class == amd64.JumpInd || in.Class == amd64.TxBegin || !st.move(&in, b, regs) {
				break
			}
			to, branch := in.Target(b, st.ip)
			st.ip += uint64(in.Len)
			if !branch || in.Class == amd64.Call {
				continue
			}
			if outside := to-start >= uint64(len(code)); outside && in.Class == amd64.Jump {
				return st, true // what is jumped to returns to our caller
			} else if in.Class == amd64.Jump {
				st.ip = to
			} else if !outside {
				taken := st
				taken.ip = to
				todo = append(todo, taken)
			}
		}
	}
	return st, false
}

// functionAt returns a function to walk, by the symbols of an image.
func functionAt(img *image.Image) func(pc uint64) (start, end uint64, ok bool) {
	return func(pc uint64) (start, end uint64, ok bool) {
		s, _, ok := img.SymbolAt(pc)
		if !ok || !s.IsFunc() {
			return 0, 0, false
		}
		if r := img.RegionAt(pc); s.Size == 0 && r != nil {
			return s.Addr, min(s.Addr+maxAsmFunc, r.End), pc-s.Addr < maxAsmFunc
		}
		return s.Addr, s.End(), s.Size <= maxCodeFunc
	}
}

// calls reports whether a return address is behind a call of the function at
// start: directly, of a function that jumps there, or through a pointer.
func (c *codeStepper) calls(ra, start uint64) bool {
	const longest = 7
	var b [longest]byte
	if _, err := c.mem.ReadAddr(b[:], ra-longest); err != nil {
		return false
	}
	if b[2] == 0xe8 {
		to := ra + uint64(int64(int32(binary.LittleEndian.Uint32(b[3:]))))
		return to == start || c.jumpsTo(to, start)
	}
	for n := 2; n <= longest; n++ { // ff /2, with or without prefixes
		in, err := amd64.Decode(b[longest-n:])
		if err == nil && in.Class == amd64.CallInd && int(in.Len) == n {
			return true
		}
	}
	return false
}

// jumpsTo reports whether the function at an address ends in a jump to another.
func (c *codeStepper) jumpsTo(at, to uint64) bool {
	start, end, ok := c.function(at)
	if !ok || start != at {
		return false
	}
	code := make([]byte, end-start)
	if _, err := c.mem.ReadAddr(code, start); err != nil {
		return false
	}
	for off := 0; off < len(code); {
		in, err := amd64.Decode(code[off:])
		if err != nil {
			return false
		}
		if target, ok := in.Target(code[off:], start+uint64(off)); ok && in.Class == amd64.Jump && target == to {
			return true
		}
		off += int(in.Len)
	}
	return false
}
