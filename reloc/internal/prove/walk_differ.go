package prove

import (
	"slices"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// mismatch makes the error for instructions that no rule allows to differ.
func (w *walker) mismatch(pin, rin amd64.Inst) *Difference {
	off, runOff := w.i, w.j
	if p := w.tolerated; p.toI == off && p.toJ == runOff && off+runOff > 0 {
		off, runOff = p.fromI, p.fromJ
	}
	e := w.t.Fail(ReasonBytes, uint64(off), uint64(runOff), "")
	if runOff < len(w.run) {
		if first := off == 0 || off == 4 && rewrite.Begins(w.pre, amd64.Endbr64); first {
			w.redirected(e, rin)
		}
		if w.run[runOff] == 0xcc && w.pre[off] != 0xcc {
			e.Reason = ReasonBreakpoint
		}
	}
	return w.quote(e, off, runOff)
}

// redirected recognises a jump out of the function where pre has none.
func (w *walker) redirected(e *Difference, rin amd64.Inst) {
	switch at := w.t.Addr + uint64(w.j); rin.Class {
	case amd64.Jump:
		to := Relative(rin, w.run, w.j)
		if to >= 0 && to < len(w.pre) {
			return
		}
		e.Target = w.t.Addr + uint64(to)
	case amd64.JumpInd:
		if slot, ok := rin.Operand(w.run[w.j:], at); ok {
			e.Target, _ = w.m.View.Word(slot)
		}
	default:
		return
	}
	e.Reason = ReasonRedirected
	e.Detail = "leads to " + w.m.runName(e.Target)
}

// quote adds the instructions of both sides to an error.
func (w *walker) quote(e *Difference, off, runOff int) *Difference {
	e.Pre = InstAt(w.pre, off)
	e.Run = InstAt(w.run, runOff)
	return e
}

// InstAt returns the bytes of the instruction at an offset of code: one where there is none,
// nil behind the end.
func InstAt(code []byte, off int) []byte {
	if off >= len(code) {
		return nil
	}
	n := 1
	if in, err := amd64.Decode(code[off:]); err == nil {
		n = int(in.Len)
	}
	return slices.Clip(code[off : off+n])
}
