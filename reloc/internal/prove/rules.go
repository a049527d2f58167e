package prove

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// A rule says what may differ between pre and run without being a mismatch. It
// looks at the instructions at w.i and w.j, and returns how many bytes of each
// side it takes for the same thing. Errors behind the bytes (a value that is
// impossible) go into the trial.
type rule struct {
	name string
	why  string
	try  func(w *walker, pin, rin amd64.Inst) (pre, run int, ok bool)
}

// rules are tried in order. New kinds of rewriting are new rows; those that a
// table of the object describes are rows of SiteRows.
var rules = [...]rule{
	{"breakpoint", "kprobes put int3 over the first byte of an instruction", breakpoint},
	{"probe jump", "optimised kprobes put a jump over instructions", probeJump},
	{"jump width", "the assembler shortens jumps within a section, which with -ffunction-sections are jumps between sections", jumpWidth},
	{"got load", "psABI B.2: linkers turn a load from a GOT slot into the address itself", gotLoad},
	{"got call", "psABI B.2: linkers turn calls and jumps through a GOT slot into direct ones", gotCall},
	{"got operand", "psABI B.2: linkers turn an operand in a GOT slot into an immediate", gotOperand},
	{"tls", "ELF TLS ABI section 5, psABI 11.1: linkers relax the access models of thread-local storage", tlsSequence},
	{"tls initial exec", "ELF TLS ABI section 5.5: initial exec becomes local exec in a program", tlsInitialExec},
	// The last one, since linkers also put nops into what they rewrite.
	{"padding", "when jumps have another width, alignment takes another number of nops", padding},
}

// padding skips nops. Unless something in front was of another length, or the
// function begins at another distance from where its section is aligned to, which
// is the most that anything in it is, there is no reason for other nops than those
// of pre: padding has to be equal then.
func padding(w *walker, _, _ amd64.Inst) (int, int, bool) {
	n, o := amd64.ToolNops(w.pre[w.i:]), amd64.ToolNops(w.run[w.j:])
	if n == o && (n == 0 || w.i == w.j) || len(w.refs(n)) > 0 {
		return 0, 0, false
	}
	if align := max(1, w.m.Pre.File.Sections[w.a.Section].Addralign); w.tolerated == (tolerated{}) && w.t.Addr%align == w.a.Offset%align {
		return 0, 0, false
	}
	w.tolerated = tolerated{w.i, w.j, w.i + n, w.j + o}
	if n == 0 { // a branch to here may lead in front of run's padding, or behind it
		if w.slack == nil {
			w.slack = make(map[int]int)
		}
		w.slack[w.i] += o
	}
	return n, o, true
}

// jumpWidth accepts a branch with a displacement of another width.
func jumpWidth(w *walker, pin, rin amd64.Inst) (int, int, bool) {
	if pin.Class != rin.Class || pin.Cond != rin.Cond || pin.Prefixes != rin.Prefixes || pin.PCRelLen == rin.PCRelLen {
		return 0, 0, false
	}
	if pin.Class != amd64.Jump && pin.Class != amd64.Jcc {
		return 0, 0, false
	}
	refs := w.refs(int(pin.Len))
	switch {
	case len(refs) == 0:
		to, runTo := Relative(pin, w.pre, w.i)-w.i, Relative(rin, w.run, w.j)-w.j
		if (to > 0) != (runTo > 0) || max(runTo, -runTo) > 3*max(to, -to)+64 {
			return 0, 0, false // no change of widths takes a target that far
		}
		w.branch(pin, rin)
	case len(refs) == 1 && int(refs[0].Offset) == w.i+int(pin.PCRelOff) && w.m.mayShorten(w.a, refs[0].Target):
		w.lookAt(w.ref, w.j+int(rin.PCRelOff), w.t.Addr+uint64(Relative(rin, w.run, w.j)))
	default:
		return 0, 0, false
	}
	w.tolerated = tolerated{w.i, w.j, w.i + int(pin.Len), w.j + int(rin.Len)}
	w.ref += len(refs)
	return int(pin.Len), int(rin.Len), true
}

// mayShorten reports whether the assembler, without -ffunction-sections, knew how
// far it is from one atom to another: they are in one section then.
func (m *Comparer) mayShorten(from *object.Atom, to object.AtomID) bool {
	g := m.Pre.Atom(to)
	return g != nil && m.ChainName(from) == m.ChainName(g)
}

// lookAt takes it that reference k means the run address to, whatever its field
// looks like in run; j is the offset of that field.
func (w *walker) lookAt(k, j int, to uint64) {
	w.t.Err = w.m.solveAt(w.t, w.a, &w.a.Refs[k], w.t.Addr+uint64(j), to)
}

// solveAs solves reference k with the field at offset j of run as if it were of
// another type, with another addend.
func (w *walker) solveAs(k, j int, typ uint32, addend int64) {
	r := w.a.Refs[k]
	r.Type, r.Addend = typ, addend
	h, ok := amd64.HowtoOf(typ)
	if !ok || w.j > len(w.run) {
		return
	}
	u := use{t: w.t, a: w.a, r: &r, h: h, p: w.t.Addr + uint64(j)}
	s, err := h.Solve(w.run[j:], addend, u.p)
	if err != nil {
		w.t.Err = u.fail(ReasonUnsupported, "%s", h.Name)
		w.t.Err.Err = err
		return
	}
	u.s = s
	w.t.Err = solverOf(h.Expr)(w.m, &u)
}
