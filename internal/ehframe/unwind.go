package ehframe

import (
	"encoding/binary"
	"errors"
	"iter"
)

// readWord reads a little-endian number of 1, 2, 4 or 8 bytes.
func readWord(mem Memory, addr, size uint64) (uint64, error) {
	if w, ok := mem.(WordReader); ok && size == 8 {
		v, err := w.ReadWord(addr)
		if err != nil {
			return 0, &memoryError{err}
		}
		return v, nil
	}
	var b [8]byte
	if _, err := mem.ReadAddr(b[:size], addr); err != nil {
		return 0, &memoryError{err}
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// memoryError tells errors of the memory from those of the rules.
type memoryError struct{ err error }

func (e *memoryError) Error() string { return e.err.Error() }
func (e *memoryError) Unwrap() error { return e.err }

// Unwind returns the registers of the caller's frame. exact says that R[RA] is
// where the frame was interrupted; otherwise it is a return address, and the
// rules are those of the call before it, which may be the last instruction of a
// function.
//
// done says that there is no caller: the return address is undefined or zero.
// signal says that the frame is one that a signal made, so that the caller's
// program counter is exact.
func (t *Table) Unwind(mem Memory, regs *Regs, exact bool) (caller Regs, signal, done bool, err error) {
	pc, err := regs.get(RA)
	if err != nil {
		return Regs{}, false, false, err
	}
	r, err := t.RulesAt(pc, exact)
	if err != nil {
		return Regs{}, false, false, err
	}
	return t.UnwindBy(r, mem, regs)
}

// Rules are what [Table.Unwind] goes by at one place of the code.
type Rules struct {
	row       *Row
	signal    bool
	outermost bool
}

// RulesAt returns the rules of a frame whose program counter is pc.
func (t *Table) RulesAt(pc uint64, exact bool) (*Rules, error) {
	if !exact {
		pc--
	}
	f, err := t.Lookup(pc)
	if err != nil {
		return nil, err
	}
	row, err := t.frame.rowAt(&f, pc-t.bias)
	if err != nil {
		return nil, err
	}
	if f.cie.returnReg != RA {
		return nil, t.frame.errorAt(f.CIE, "return address register is not 16")
	}
	return &Rules{row, f.Signal(), row.Regs[RA].Kind == Undefined}, nil
}

// UnwindBy is Unwind by the rules of the place where the frame is.
func (t *Table) UnwindBy(r *Rules, mem Memory, regs *Regs) (caller Regs, signal, done bool, err error) {
	if r.outermost {
		return Regs{}, r.signal, true, nil
	}
	caller, err = t.apply(r.row, mem, regs)
	if err != nil {
		return Regs{}, false, false, err
	}
	return caller, r.signal, caller.R[RA] == 0, nil
}

// apply computes the caller's registers.
func (t *Table) apply(row *Row, mem Memory, regs *Regs) (Regs, error) {
	cfa, err := t.cfa(row, mem, regs)
	if err != nil {
		return Regs{}, err
	}
	out := *regs
	out.R[RSP] = cfa // by definition, unless a rule says otherwise
	out.Undefined &^= 1 << RSP
	out.Undefined |= 1 << RA
	for n := range row.Regs {
		v, known, err := t.register(uint64(n), &row.Regs[n], cfa, mem, regs)
		if err != nil && n == RA {
			return Regs{}, err
		}
		switch {
		case row.Regs[n].Kind == Unspecified:
		case err != nil || !known:
			// It may never be needed.
			out.R[n], out.Undefined = 0, out.Undefined|1<<n
		default:
			out.R[n], out.Undefined = v, out.Undefined&^(1<<n)
		}
	}
	if _, err := out.get(RA); err != nil {
		return Regs{}, err
	}
	return out, nil
}

func (t *Table) cfa(row *Row, mem Memory, regs *Regs) (uint64, error) {
	if row.CFAExpr != nil {
		return eval(row.CFAExpr, regs, mem, t.bias, nil)
	}
	base, err := regs.get(row.CFAReg)
	return base + uint64(row.CFAOffset), err
}

// register finds the caller's value of one register.
func (t *Table) register(n uint64, r *Rule, cfa uint64, mem Memory, regs *Regs) (v uint64, known bool, err error) {
	switch r.Kind {
	case Undefined:
		return 0, false, nil
	case SameValue:
		v, err = regs.get(n)
	case Offset:
		v, err = readWord(mem, cfa+uint64(r.N), 8)
	case ValOffset:
		v = cfa + uint64(r.N)
	case Register:
		v, err = regs.get(uint64(r.N))
	case Expression, ValExpression:
		v, err = t.byExpr(r, cfa, mem, regs)
	}
	return v, err == nil, err
}

// byExpr is register for a rule that is an expression. It stands apart because what it
// takes the address of is allocated, and hardly any rule is one.
func (t *Table) byExpr(r *Rule, cfa uint64, mem Memory, regs *Regs) (uint64, error) {
	v, err := eval(r.Expr, regs, mem, t.bias, &cfa)
	if err != nil || r.Kind == ValExpression {
		return v, err
	}
	return readWord(mem, v, 8)
}

// A Frame is one frame of a stack.
type Frame struct {
	N  int    // 0 is the innermost
	PC uint64 // where it was interrupted, or the address to which the call returns
	SP uint64 // the stack pointer at PC

	// Exact says that PC was interrupted, by the tracer or by a signal. Only
	// then can it be the first instruction of a function.
	Exact bool
}

// DefaultFrames is the depth to which Walk goes when it is not told. The 8 MB of
// a usual stack hold about as many frames of a recursive function.
const DefaultFrames = 1 << 18

// Walk iterates over the frames of a stack, from the innermost to the outermost.
// find returns the table of the module that a run address is in, or nil. limit
// bounds the number of frames; 0 means [DefaultFrames].
//
// When a frame can't be unwound the last pair has a [*WalkError], after the
// frame itself. Without an error the walk has reached the outermost frame, whose
// return address is undefined or zero.
func Walk(mem Memory, regs Regs, find func(pc uint64) *Table, limit int) iter.Seq2[Frame, error] {
	if limit <= 0 {
		limit = DefaultFrames
	}
	return func(yield func(Frame, error) bool) {
		exact := true
		for n := 0; ; n++ {
			fr := Frame{N: n, PC: regs.R[RA], SP: regs.R[RSP], Exact: exact}
			fail := func(r Reason, err error) {
				if err == r {
					err = nil
				}
				yield(fr, &WalkError{Frame: n, PC: fr.PC, Reason: r, Err: err})
			}
			if n == limit {
				fail(TooManyDeep, nil)
				return
			}
			if !yield(fr, nil) {
				return
			}
			t := find(callSite(fr))
			if t == nil {
				fail(NoTable, nil)
				return
			}
			caller, signal, done, err := t.Unwind(mem, &regs, exact)
			if err != nil {
				fail(reasonOf(err), err)
				return
			}
			if done {
				return
			}
			// A signal may switch stacks; a call never does.
			if !signal && caller.R[RSP] <= fr.SP {
				fail(NotGrowing, nil)
				return
			}
			regs, exact = caller, signal
		}
	}
}

// callSite returns an address in the instruction that the frame is in.
func callSite(f Frame) uint64 {
	if f.Exact {
		return f.PC
	}
	return f.PC - 1
}

func reasonOf(err error) Reason {
	var format *FormatError
	var memory *memoryError
	switch {
	case errors.Is(err, NoFDE):
		return NoFDE
	case errors.As(err, &format):
		return BadTable
	case errors.As(err, &memory):
		return BadMemory
	}
	return BadRule
}
