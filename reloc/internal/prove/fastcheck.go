package prove

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
)

// fastCheck is what of checking a value of a class does not depend on the value. Nearly all references give one equation, and what has to be checked for
// it is the same each time. There is none where a dynamic linker has a say. It only
// ever says yes, and only where solving the reference does, with the same outcome:
// whatever it has doubts about is solved, which tells what is wrong.
type fastCheck struct {
	// key is what the equation is about, and delta the distance of its value
	// from what was solved.
	key   Key
	delta uint64
	size  uint32 // of an atom
	kind  fastKind
	row   uint8 // of plausible, for an atom
	flags uint8
}

// fastKind says what is checked.
type fastKind uint8

const (
	fastNone   fastKind = iota // nothing is known, the reference has to be solved
	fastSymbol                 // one that pre does not define
	fastAtom                   // what has an identity
	fastPlace                  // a place inside a function
	fastEqual                  // a literal, by its content
)

// Flags of a fastCheck.
const (
	fastCall     = 1 << iota // what it leads to has to be code
	fastWritable             // the section in pre has SHF_WRITE
	fastSoft                 // the equation is a hint only
	fastConst                // its content is a part of the trial
	fastPCRel                // where code is rewritten, it may lead elsewhere
)

// fastCheck finds out how values of a class are checked.
func (p *planner) fastCheck(r *object.Ref, h *amd64.Howto) fastCheck {
	m := p.m
	if m.linked {
		return fastCheck{}
	}
	var l fastCheck
	if h.PCRel && h.Size == 4 {
		l.flags |= fastPCRel
	}
	sym := m.Sym(r.Sym)
	if r.Target == object.NoAtom {
		if sym.Section == elfobj.SecAbs || r.Sym == 0 {
			return fastCheck{}
		}
		if h.Expr == amd64.ExprPLT {
			l.flags |= fastCall
		}
		l.kind, l.key = fastSymbol, Key{Space: InAddress, ID: int32(r.Sym)}
		return l
	}
	g := m.Pre.Atom(r.Target)
	if g.Aside || g.Size >= 1<<32 || int(g.Kind) >= len(plausible) || plausible[g.Kind].ok == nil || !r.Implicit && sym.IsWeak() {
		return fastCheck{}
	}
	l.kind, l.key = fastAtom, Key{Space: InAtom, ID: int32(g.ID)}
	l.size, l.row = uint32(g.Size), uint8(g.Kind)
	if l.delta = -uint64(r.TargetOff); !r.Implicit {
		l.delta = -m.symbolOff(r)
	}
	if m.Pre.File.Sections[g.Section].Flags&elf.SHF_WRITE != 0 {
		l.flags |= fastWritable
	}
	switch {
	case g.Kind.IsLiteral():
		l.kind = fastEqual
		l.flags |= fastSoft
	case g.Kind == object.Func:
		if l.key.Off = r.TargetOff; r.TargetOff != 0 {
			l.kind = fastPlace
		}
	case g.Kind == object.Const && !r.Edge && !g.Jumps:
		l.flags |= fastConst
	}
	return l
}

// holds reports whether a reference in code of the module classModule means what
// the fast check says, if its field gives s.
func (m *Comparer) holds(l *fastCheck, s uint64) bool {
	if l.kind == fastNone || l.flags&fastPCRel != 0 && m.classVolatile && m.Image.IsKernel() {
		return false
	}
	if l.kind == fastSymbol {
		known := m.symbols[l.key.ID]
		if len(known) == 0 || s == 0 || known[0].Addr != s && !m.KnownAt(known, s, image.NoModule) {
			return false
		}
		r := m.View.RegionAt(s)
		return r != nil && (l.flags&fastCall == 0 || r.Exec || r.Freed)
	}
	base := s + l.delta
	if !m.mayLie(l, base) {
		return false
	}
	id := object.AtomID(l.key.ID)
	switch l.kind {
	case fastPlace:
		return true
	case fastEqual:
		g := m.Pre.Atom(id)
		run, err := m.View.Bytes(base, uint64(len(g.Bytes)))
		return err == nil && string(run) == string(g.Bytes)
	}
	if known := m.atoms[id]; len(known) > 0 && known[0].Addr == base {
		return true
	}
	return m.MayBe(id, base)
}

// mayLie is implausible, for what is not.
func (m *Comparer) mayLie(l *fastCheck, addr uint64) bool {
	r := m.View.RegionAt(addr)
	if r == nil || r.Module != m.classModule && r.Module != image.NoModule {
		return false
	}
	if r.Freed || r.Unknown {
		return true
	}
	p := &plausible[l.row]
	ok := p.ok
	if p.kernel != nil && m.Image.IsKernel() {
		ok = p.kernel
	}
	return ok(r, l.flags&fastWritable != 0) && (l.size == 0 || addr+uint64(l.size)-1 < r.End)
}
