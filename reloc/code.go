package reloc

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// compareCode compares a function with run at t.addr. Nearly always all bytes
// but those in holes are equal, and no instruction has to be decoded; only when
// they are not, both sides are walked instruction by instruction.
func (m *comparer) compareCode(t *trial, a *object.Atom) *difference {
	r := m.view.RegionAt(t.addr)
	if r == nil || !r.Exec {
		return t.fail(reasonImplausible, 0, 0, "%s at %#x: code lies in executable memory", a.Name, t.addr)
	}
	pl := m.planOf(a.ID)
	if t.away || t.addr+a.Size > r.End {
		pl = nil // what others found out does not hold there
	}
	if pl == nil {
		if err := m.wellFormed(t, a); err != nil {
			return err
		}
	}
	run, err := m.view.Bytes(t.addr, a.Size)
	if err == nil && pl != nil && (pl.plain && !m.rewritten(t.addr) || len(m.sitesOf(a.ID)) == 0) {
		m.newComparison(r)
		if m.comparePlain(t, a, pl, run) {
			t.size = a.Size
			if e := m.goesOn(t, a); e != nil {
				return e
			}
			if !pl.jumps {
				return m.compareRows(t, a)
			}
			return m.compareTables(t, a)
		}
		t.binds, t.consts = t.binds[:0], t.consts[:0]
	}
	if err == nil && m.equalOutside(a, run) {
		m.newComparison(r)
		if ok, e := m.solveAll(t, a, pl, run); ok {
			if t.size = a.Size; e != nil {
				return e
			}
			if e := m.goesOn(t, a); e != nil {
				return e
			}
			return m.compareTables(t, a)
		}
		t.binds, t.consts, t.patches = t.binds[:0], t.consts[:0], t.patches[:0]
	}
	return m.walk(t, a)
}

// goesOn reports code behind the end of a function of pre that belongs to it in
// run, as far as run's symbols tell.
func (m *comparer) goesOn(t *trial, a *object.Atom) *difference {
	if !m.img.IsKernel() || m.noSymbols {
		return nil
	}
	for _, i := range m.namesakes(a) {
		s := &m.img.Symbols()[i]
		if s.Addr != t.addr || s.Type == elf.STT_TLS || s.Spread || s.Size <= t.size || m.isFilled(t.addr+t.size, t.addr+s.Size) {
			continue
		}
		return t.fail(reasonBytes, a.Size, t.size, "%s has %d bytes more", s.Name, s.Size-t.size)
	}
	return nil
}

// solveAll solves the references of a function whose bytes outside of holes and
// sites are equal. ok is false when a site holds nothing that is legal.
func (m *comparer) solveAll(t *trial, a *object.Atom, pl *plan, run []byte) (ok bool, e *difference) {
	sites := m.sitesOf(a.ID)
	for i := 0; i < len(a.Refs) || len(sites) > 0; {
		if len(sites) == 0 || i < len(a.Refs) && a.Refs[i].Offset < sites[0].off {
			off := a.Refs[i].Offset
			var e *difference
			if pl != nil {
				e = m.solveClass(t, a, &pl.holes[i], i, run[off:], t.addr+off)
			} else {
				e = m.solve(t, a, i, run[off:], t.addr+off)
			}
			if e != nil {
				return true, e
			}
			i++
			continue
		}
		end, n := cluster(sites)
		off := sites[0].off
		if !m.matchSites(&m.cluster, t, a, sites[:n], end, run[off:], t.addr+off) {
			return false, nil
		}
		if e := m.cluster.applyEffects(nil); e != nil {
			return true, e
		}
		for i < len(a.Refs) && a.Refs[i].Offset < end {
			i++
		}
		sites = sites[n:]
	}
	return true, nil
}

// wellFormed checks that the holes of an atom are in order and inside.
func (m *comparer) wellFormed(t *trial, a *object.Atom) *difference {
	if a.NoBits || uint64(len(a.Bytes)) != a.Size {
		return t.fail(reasonUnsupported, 0, 0, "%s has no bytes in pre", m.label(a.ID))
	}
	end := uint64(0)
	for i := range a.Refs {
		r := &a.Refs[i]
		n := fieldSize(r)
		if r.Offset < end || r.Offset+n > a.Size || r.Offset+n < r.Offset {
			return t.fail(reasonUnsupported, r.Offset, r.Offset, "relocations overlap or reach out of %s", m.label(a.ID))
		}
		end = r.Offset + n
	}
	return nil
}

// fieldSize returns the number of bytes of the hole that r owns.
func fieldSize(r *object.Ref) uint64 {
	if h, ok := amd64.HowtoOf(r.Type); ok {
		return uint64(h.Size)
	}
	return 0
}

// equalOutside compares everything but the holes and the sites.
func (m *comparer) equalOutside(a *object.Atom, run []byte) bool {
	sites := m.sitesOf(a.ID)
	from := uint64(0)
	for i := 0; i < len(a.Refs) || len(sites) > 0; {
		if len(sites) == 0 || i < len(a.Refs) && a.Refs[i].Offset < sites[0].off {
			r := &a.Refs[i]
			if i++; r.Offset < from {
				continue // in a site, or reaching out of one
			}
			if !bytes.Equal(a.Bytes[from:r.Offset], run[from:r.Offset]) {
				return false
			}
			from = r.Offset + fieldSize(r)
			continue
		}
		end, n := cluster(sites)
		if off := sites[0].off; off > from && !bytes.Equal(a.Bytes[from:off], run[from:off]) {
			return false
		}
		from, sites = max(from, end), sites[n:]
	}
	return bytes.Equal(a.Bytes[from:], run[from:])
}

// compareTables checks that the jump tables of a function lead to the
// corresponding places in run, and what the kernel's tables say about it. It comes
// last, since these are known only then.
func (m *comparer) compareTables(t *trial, a *object.Atom) *difference {
	for i := range t.binds {
		b := t.binds[i]
		if b.key.space != inAtom || b.soft {
			continue
		}
		g := m.pre.Atom(object.AtomID(b.key.id))
		if !g.Jumps || g.NoBits {
			continue
		}
		if e := m.compareTable(t, a, g, &b); e != nil {
			return e
		}
	}
	return m.compareRows(t, a)
}

func (m *comparer) compareTable(t *trial, a, g *object.Atom, b *binding) *difference {
	runOff := t.at(int64(b.ref)) - t.addr
	run, err := m.view.Bytes(b.value, g.Size)
	if err != nil {
		e := t.fail(reasonUnreadable, b.ref, runOff, "jump table")
		e.Err = err
		return e
	}
	for j := range g.Refs {
		r := &g.Refs[j]
		n := fieldSize(r)
		if n != 4 && n != 8 || r.Offset+n > g.Size || r.Target == object.NoAtom {
			return t.fail(reasonUnsupported, b.ref, runOff, "jump table with an entry that is not 4 or 8 bytes wide")
		}
		to := b.value
		if n == 8 {
			to = binary.LittleEndian.Uint64(run[r.Offset:])
		} else {
			to += uint64(int64(int32(binary.LittleEndian.Uint32(run[r.Offset:]))))
			if h, _ := amd64.HowtoOf(r.Type); !h.PCRel {
				to -= b.value
			}
		}
		if r.Target != a.ID {
			t.bind(binding{key: key{inAtom, int32(r.Target), r.TargetOff}, value: to, ref: b.ref})
		} else if want := t.at(r.TargetOff); to != want {
			e := t.fail(reasonBranch, b.ref, runOff, "entry %d of the jump table at %#x leads to %#x, and should lead to %#x", j, b.value, to, want)
			e.Target = to
			return e
		}
	}
	return nil
}

// compareData compares a constant with run at t.addr; variables only have an
// address. Jump tables are compared by the functions that use them.
func (m *comparer) compareData(t *trial, a *object.Atom) *difference {
	t.size = a.Size
	if a.Kind != object.Const || a.NoBits || a.Jumps || m.isTypeID(a) || m.isFreed(t.addr) {
		return nil
	}
	if err := m.wellFormed(t, a); err != nil {
		return err
	}
	run, err := m.view.Bytes(t.addr, a.Size)
	if err != nil {
		e := t.fail(reasonUnreadable, 0, 0, "%s", m.label(a.ID))
		e.Err = err
		return e
	}
	from := uint64(0)
	for i := range a.Refs {
		r := &a.Refs[i]
		if e := m.differ(t, a, run, from, r.Offset); e != nil {
			return e
		}
		if e := m.solve(t, a, i, run[r.Offset:], t.addr+r.Offset); e != nil {
			return e
		}
		from = r.Offset + fieldSize(r)
	}
	if e := m.differ(t, a, run, from, a.Size); e != nil && !m.paddedLess(t, a, e.Offset) {
		return e
	}
	return nil
}

// paddedLess reports whether a constant without a symbol, whose end only the next
// one tells, differs from run in nothing but how much padding follows it: from
// off on it is zero, and at the place that the next one's alignment gives it run
// has that. Where a constant starts depends on those in front of it.
func (m *comparer) paddedLess(t *trial, a *object.Atom, off uint64) bool {
	if !a.Anonymous() || int(a.ID)+1 >= len(m.pre.Atoms) {
		return false
	}
	next := m.pre.Atom(a.ID + 1)
	if next.Section != a.Section || next.Offset != a.Offset+a.Size ||
		next.NoBits || len(next.Refs) > 0 || next.Size < minNext {
		return false
	}
	zero := a.Size
	for zero > 0 && a.Bytes[zero-1] == 0 {
		zero--
	}
	align := min(next.Offset&-next.Offset, m.pre.File.Sections[a.Section].Addralign)
	if align == 0 || align&(align-1) != 0 {
		return false
	}
	start := (t.addr + a.Size - 1) &^ (align - 1) // less than that much padding is gone
	if start < t.addr+zero || start > t.addr+off {
		return false
	}
	run, err := m.view.Bytes(start, next.Size)
	return err == nil && bytes.Equal(run, next.Bytes)
}

// minNext is the number of bytes that show that a constant begins somewhere.
const minNext = 8

// isTypeID reports whether a constant is the number of a type, or a set of them:
// zero until the kernel is linked (include/linux/btf_ids.h, and resolve_btfids,
// which also sorts sets).
func (m *comparer) isTypeID(a *object.Atom) bool {
	return m.pre.File.Sections[a.Section].Name == kerneltab.TypeIDs
}

// differ compares [lo, hi) of a constant.
func (m *comparer) differ(t *trial, a *object.Atom, run []byte, lo, hi uint64) *difference {
	if bytes.Equal(a.Bytes[lo:hi], run[lo:hi]) {
		return nil
	}
	for lo < hi && a.Bytes[lo] == run[lo] {
		lo++
	}
	e := t.fail(reasonContent, lo, lo, "")
	e.Target, e.Pre, e.Run = t.addr+lo, a.Bytes[lo:hi], run[lo:hi]
	return e
}
