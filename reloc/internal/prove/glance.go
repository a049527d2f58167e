package prove

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
)

// glance is what of the first look at a value of a class does not depend on the
// value. Nearly all references give one equation, and what has to be checked for
// it is the same each time. There is none where a dynamic linker has a say. It only
// ever says yes, and only where solving the reference does, with the same outcome:
// whatever it has doubts about is solved, which tells what is wrong.
type glance struct {
	// key is what the equation is about, and delta the distance of its value
	// from what was solved.
	key   Key
	delta uint64
	size  uint32 // of an atom
	kind  glanceKind
	row   uint8 // of plausible, for an atom
	flags uint8
}

// glanceKind says what is checked.
type glanceKind uint8

const (
	glanceNone   glanceKind = iota // nothing is known, the reference has to be solved
	glanceSymbol                   // one that pre does not define
	glanceAtom                     // what has an identity
	glancePlace                    // a place inside a function
	glanceEqual                    // a literal, by its content
)

// Flags of a glance.
const (
	glanceCall     = 1 << iota // what it leads to has to be code
	glanceWritable             // the section in pre has SHF_WRITE
	glanceSoft                 // the equation is a hint only
	glanceConst                // its content is a part of the trial
	glancePCRel                // where code is rewritten, it may lead elsewhere
)

// glance finds out how references of a class are looked at.
func (p *planner) glance(r *object.Ref, h *amd64.Howto) glance {
	m := p.m
	if m.linked {
		return glance{}
	}
	var l glance
	if h.PCRel && h.Size == 4 {
		l.flags |= glancePCRel
	}
	sym := m.Sym(r.Sym)
	if r.Target == object.NoAtom {
		if sym.Section == elfobj.SecAbs || r.Sym == 0 {
			return glance{}
		}
		if h.Expr == amd64.ExprPLT {
			l.flags |= glanceCall
		}
		l.kind, l.key = glanceSymbol, Key{Space: InAddress, ID: int32(r.Sym)}
		return l
	}
	g := m.Pre.Atom(r.Target)
	if g.Aside || g.Size >= 1<<32 || int(g.Kind) >= len(plausible) || plausible[g.Kind].ok == nil || !r.Implicit && IsWeak(sym) {
		return glance{}
	}
	l.kind, l.key = glanceAtom, Key{Space: InAtom, ID: int32(g.ID)}
	l.size, l.row = uint32(g.Size), uint8(g.Kind)
	if l.delta = -uint64(r.TargetOff); !r.Implicit {
		l.delta = -m.symbolOff(r)
	}
	if m.Pre.File.Sections[g.Section].Flags&elf.SHF_WRITE != 0 {
		l.flags |= glanceWritable
	}
	switch {
	case g.Kind.IsLiteral():
		l.kind = glanceEqual
		l.flags |= glanceSoft
	case g.Kind == object.Func:
		if l.key.Off = r.TargetOff; r.TargetOff != 0 {
			l.kind = glancePlace
		}
	case g.Kind == object.Const && !r.Edge && !g.Jumps:
		l.flags |= glanceConst
	}
	return l
}

// holds reports whether a reference in code of the module classModule means what
// the glance says, if its field gives s.
func (m *Comparer) holds(l *glance, s uint64) bool {
	if l.kind == glanceNone || l.flags&glancePCRel != 0 && m.classVolatile && m.Image.IsKernel() {
		return false
	}
	if l.kind == glanceSymbol {
		known := m.symbols[l.key.ID]
		if len(known) == 0 || s == 0 || known[0].Addr != s && !m.KnownAt(known, s, image.NoModule) {
			return false
		}
		r := m.View.RegionAt(s)
		return r != nil && (l.flags&glanceCall == 0 || r.Exec || r.Freed)
	}
	base := s + l.delta
	if !m.mayLie(l, base) {
		return false
	}
	id := object.AtomID(l.key.ID)
	switch l.kind {
	case glancePlace:
		return true
	case glanceEqual:
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
func (m *Comparer) mayLie(l *glance, addr uint64) bool {
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
	return ok(r, l.flags&glanceWritable != 0) && (l.size == 0 || addr+uint64(l.size)-1 < r.End)
}
