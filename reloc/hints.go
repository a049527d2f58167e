package reloc

import (
	"bytes"
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// The hints choose between places that match to the byte, or tell where to
// look. Each returns whether it changed anything. They see what is decided,
// not each other's choices, so that order does not matter.

// narrow restricts f to the candidates that keep accepts, if there are any.
func (m *solver) narrow(i int32, by Evidence, keep func(addr uint64) bool) bool {
	f := &m.funcs[i]
	var out []cand
	for _, addr := range f.remain {
		if keep(addr) {
			out = append(out, cand{addr: addr, by: by})
		}
	}
	if len(out) == 0 || len(out) == len(f.remain) && len(out) > 1 {
		return false
	}
	f.cands, f.more = out, false
	m.queue(i)
	return true
}

// undecided yields the open functions with candidates that match.
func (m *solver) undecided(yield func(i int32, f *fn) bool) {
	for i := range m.funcs {
		if f := &m.funcs[i]; f.open && len(f.remain) > 0 && !yield(int32(i), f) {
			return
		}
	}
}

// byCallees drops places whose references to other functions lead to something
// else.
func (m *solver) byCallees() bool {
	type choice struct {
		i    int32
		good map[uint64]bool
	}
	var choices []choice
	m.undecided(func(i int32, f *fn) bool {
		if len(f.remain) < 2 || f.more {
			return true
		}
		good := make(map[uint64]bool)
		for _, addr := range f.remain {
			good[addr] = m.calleesMatch(m.check(f.atom.ID, addr))
		}
		choices = append(choices, choice{i, good})
		return true
	})
	changed := false
	for _, c := range choices {
		changed = m.narrow(c.i, ByCallee, func(addr uint64) bool { return c.good[addr] }) || changed
	}
	return changed
}

func (m *solver) calleesMatch(t *attempt) bool {
	for _, b := range t.Binds {
		if b.Soft || b.Key.Space != prove.InAtom || b.Key.Off != 0 {
			continue
		}
		id := object.AtomID(b.Key.ID)
		if i := m.fnOf[id]; i >= 0 && m.funcs[i].open && id != t.Atom && m.check(id, b.Value).err != nil {
			return false
		}
	}
	return true
}

// byPointers reads the pointers in data that was located. Where nothing can
// have written it since it was linked, they decide; elsewhere they tell where
// to look.
func (m *solver) byPointers() bool {
	type pointer struct {
		to   object.AtomID
		addr uint64
		firm bool
	}
	var found []pointer
	for id := range m.c.Pre.Atoms {
		a := &m.c.Pre.Atoms[id]
		v := m.known(prove.Key{Space: prove.InAtom, ID: int32(id)})
		if v == nil || a.NoBits || len(a.Refs) == 0 || a.Kind != object.Data {
			continue
		}
		t := m.c.Pointers(a, v.value)
		r := m.c.View.RegionAt(v.value)
		for _, b := range t.Binds {
			if b.Key.Space != prove.InAtom || b.Key.Off != 0 {
				continue
			}
			firm := r != nil && !r.Volatile
			if (b.Soft || !firm) && m.isLiteralAt(&b) {
				m.learn(prove.Binding{Key: b.Key, Value: b.Value, Soft: true}, a.ID)
			}
			if !b.Soft {
				found = append(found, pointer{object.AtomID(b.Key.ID), b.Value, firm})
			}
		}
	}
	changed := false
	for _, p := range found {
		i := m.fnOf[p.to]
		switch {
		case i < 0:
			if k := (prove.Key{Space: prove.InAtom, ID: int32(p.to)}); p.firm && m.known(k) == nil && m.check(p.to, p.addr).err == nil {
				m.learn(prove.Binding{Key: k, Value: p.addr}, p.to)
				changed = true
			}
		case !m.funcs[i].open:
		case len(m.funcs[i].cands) == 0:
			changed = m.addCand(&m.funcs[i], cand{addr: p.addr, by: ByPointer}) || changed
			m.queue(i)
		case p.firm && !m.chosen(i):
			changed = m.narrow(i, ByPointer, func(addr uint64) bool { return addr == p.addr }) || changed
		}
	}
	return changed
}

// isLiteralAt reports whether data points to a literal of which nothing is known yet: to its content,
// where nobody writes.
func (m *solver) isLiteralAt(b *prove.Binding) bool {
	g := &m.c.Pre.Atoms[b.Key.ID]
	if g.Kind != object.String && (g.Kind != object.Const || !g.Anonymous() || g.Jumps || len(g.Refs) > 0) || m.known(b.Key) != nil {
		return false
	}
	if r := m.c.View.RegionAt(b.Value); r == nil || r.Write {
		return false
	}
	run, err := m.c.View.Bytes(b.Value, g.Size)
	return err == nil && bytes.Equal(run, g.Bytes)
}

// chosen reports whether a hint has already chosen for a function.
func (m *solver) chosen(i int32) bool {
	f := &m.funcs[i]
	return len(f.cands) == 1 && f.cands[0].by >= ByCallee
}

// byFile chooses the place whose symbol is in the scope of the source file that
// pre was compiled from.
func (m *solver) byFile() bool {
	if m.c.NoSymbols {
		return false
	}
	file := ""
	for i := range m.c.Pre.Symbols() {
		if s := m.c.Sym(elfobj.SymbolIndex(i)); s.Type() == elf.STT_FILE && s.Name != "" {
			file = s.Name
			break
		}
	}
	if file == "" {
		return false
	}
	changed := false
	m.undecided(func(i int32, f *fn) bool {
		if len(f.remain) < 2 {
			return true
		}
		at := make(map[uint64]bool)
		for _, s := range m.c.Image.Lookup(f.atom.Name) {
			if s.Local && s.File == file {
				at[s.Addr] = true
			}
		}
		changed = m.narrow(i, ByFile, func(addr uint64) bool { return at[addr] }) || changed
		return true
	})
	return changed
}

// byLayout uses that a linker places a section as a whole: once some of its
// functions are matched and agree where the section starts, so do the rest.
func (m *solver) byLayout() bool {
	bases := m.sectionBases()
	changed := false
	for i := range m.funcs {
		f := &m.funcs[i]
		base, ok := bases[f.atom.Section]
		if !f.open || !ok {
			continue
		}
		want := base + f.atom.Offset
		switch {
		case len(f.remain) > 0 && !m.chosen(int32(i)):
			changed = m.narrow(int32(i), ByLayout, func(addr uint64) bool { return addr == want }) || changed
		case len(f.cands) == 0:
			if r := m.c.View.RegionAt(want); r != nil && r.Exec {
				changed = m.addCand(f, cand{addr: want, by: ByLayout}) || changed
				m.queue(int32(i))
			}
		}
	}
	return changed
}

// sectionBases returns where the sections of pre start in run, as far as all
// matched functions agree, and none is of another size than in pre.
func (m *solver) sectionBases() map[elfobj.SectionIndex]uint64 {
	bases := make(map[elfobj.SectionIndex]uint64)
	var bad []elfobj.SectionIndex
	for i := range m.funcs {
		f := &m.funcs[i]
		if f.done == nil || m.c.Image.IsKernel() && !m.isAnchor(int32(i)) {
			continue
		}
		base := f.done.Addr - f.atom.Offset
		if old, ok := bases[f.atom.Section]; len(f.done.Shifts) > 0 || ok && old != base {
			bad = append(bad, f.atom.Section)
		}
		bases[f.atom.Section] = base
	}
	slices.Sort(bad)
	for _, s := range bad {
		delete(bases, s)
	}
	return bases
}
