package prove

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
func (m *Comparer) compareCode(t *Trial, a *object.Atom) *Difference {
	r := m.View.RegionAt(t.Addr)
	if r == nil || !r.Exec {
		return t.Fail(ReasonImplausible, 0, 0, "%s at %#x: code lies in executable memory", a.Name, t.Addr)
	}
	pl := m.planOf(a.ID)
	if t.away || t.Addr+a.Size > r.End {
		pl = nil // what others found out does not hold there
	}
	if pl == nil {
		if err := m.wellFormed(t, a); err != nil {
			return err
		}
	}
	run, err := m.View.Bytes(t.Addr, a.Size)
	if err == nil && pl != nil && (pl.plain && !m.rewritten(t.Addr) || len(m.sitesOf(a.ID)) == 0) {
		m.newComparison(r)
		if m.comparePlain(t, a, pl, run) {
			t.Size = a.Size
			if e := m.goesOn(t, a); e != nil {
				return e
			}
			if !pl.jumps {
				return m.compareRows(t, a)
			}
			return m.compareTables(t, a)
		}
		t.Binds, t.Consts = t.Binds[:0], t.Consts[:0]
	}
	if err == nil && m.EqualOutside(a, run) {
		m.newComparison(r)
		if ok, e := m.solveAll(t, a, pl, run); ok {
			if t.Size = a.Size; e != nil {
				return e
			}
			if e := m.goesOn(t, a); e != nil {
				return e
			}
			return m.compareTables(t, a)
		}
		t.Binds, t.Consts, t.Patches = t.Binds[:0], t.Consts[:0], t.Patches[:0]
	}
	return m.walk(t, a)
}

// goesOn reports code behind the end of a function of pre that belongs to it in
// run, as far as run's symbols tell.
func (m *Comparer) goesOn(t *Trial, a *object.Atom) *Difference {
	if !m.Image.IsKernel() || m.NoSymbols {
		return nil
	}
	for _, i := range m.namesakes(a) {
		s := &m.Image.Symbols()[i]
		if s.Addr != t.Addr || s.Type == elf.STT_TLS || s.Spread || s.Size <= t.Size || m.IsFilled(t.Addr+t.Size, t.Addr+s.Size) {
			continue
		}
		return t.Fail(ReasonBytes, a.Size, t.Size, "%s has %d bytes more", s.Name, s.Size-t.Size)
	}
	return nil
}

// solveAll solves the references of a function whose bytes outside of holes and
// sites are equal. ok is false when a site holds nothing that is legal.
func (m *Comparer) solveAll(t *Trial, a *object.Atom, pl *plan, run []byte) (ok bool, e *Difference) {
	sites := m.sitesOf(a.ID)
	for i := 0; i < len(a.Refs) || len(sites) > 0; {
		if len(sites) == 0 || i < len(a.Refs) && a.Refs[i].Offset < sites[0].Off {
			off := a.Refs[i].Offset
			var e *Difference
			if pl != nil {
				e = m.solveClass(t, a, &pl.holes[i], i, run[off:], t.Addr+off)
			} else {
				e = m.solve(t, a, i, run[off:], t.Addr+off)
			}
			if e != nil {
				return true, e
			}
			i++
			continue
		}
		end, n := cluster(sites)
		off := sites[0].Off
		if !m.matchSites(&m.cluster, t, a, sites[:n], end, run[off:], t.Addr+off) {
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
func (m *Comparer) wellFormed(t *Trial, a *object.Atom) *Difference {
	if a.NoBits || uint64(len(a.Bytes)) != a.Size {
		return t.Fail(ReasonUnsupported, 0, 0, "%s has no bytes in pre", m.Label(a.ID))
	}
	end := uint64(0)
	for i := range a.Refs {
		r := &a.Refs[i]
		n := FieldSize(r)
		if r.Offset < end || r.Offset+n > a.Size || r.Offset+n < r.Offset {
			return t.Fail(ReasonUnsupported, r.Offset, r.Offset, "relocations overlap or reach out of %s", m.Label(a.ID))
		}
		end = r.Offset + n
	}
	return nil
}

// FieldSize returns the number of bytes of the hole that r owns.
func FieldSize(r *object.Ref) uint64 { return uint64(amd64.FieldSize(r.Type)) }

// EqualOutside compares everything but the holes and the sites.
func (m *Comparer) EqualOutside(a *object.Atom, run []byte) bool {
	sites := m.sitesOf(a.ID)
	from := uint64(0)
	for i := 0; i < len(a.Refs) || len(sites) > 0; {
		if len(sites) == 0 || i < len(a.Refs) && a.Refs[i].Offset < sites[0].Off {
			r := &a.Refs[i]
			if i++; r.Offset < from {
				continue // in a site, or reaching out of one
			}
			if !bytes.Equal(a.Bytes[from:r.Offset], run[from:r.Offset]) {
				return false
			}
			from = r.Offset + FieldSize(r)
			continue
		}
		end, n := cluster(sites)
		if off := sites[0].Off; off > from && !bytes.Equal(a.Bytes[from:off], run[from:off]) {
			return false
		}
		from, sites = max(from, end), sites[n:]
	}
	return bytes.Equal(a.Bytes[from:], run[from:])
}

// compareTables checks that the jump tables of a function lead to the
// corresponding places in run, and what the kernel's tables say about it. It comes
// last, since these are known only then.
func (m *Comparer) compareTables(t *Trial, a *object.Atom) *Difference {
	for i := range t.Binds {
		b := t.Binds[i]
		if b.Key.Space != InAtom || b.Soft {
			continue
		}
		g := m.Pre.Atom(object.AtomID(b.Key.ID))
		if !g.Jumps || g.NoBits {
			continue
		}
		if e := m.compareTable(t, a, g, &b); e != nil {
			return e
		}
	}
	return m.compareRows(t, a)
}

func (m *Comparer) compareTable(t *Trial, a, g *object.Atom, b *Binding) *Difference {
	runOff := t.At(int64(b.Ref)) - t.Addr
	run, err := m.View.Bytes(b.Value, g.Size)
	if err != nil {
		e := t.Fail(ReasonUnreadable, b.Ref, runOff, "jump table")
		e.Err = err
		return e
	}
	for j := range g.Refs {
		r := &g.Refs[j]
		n := FieldSize(r)
		if n != 4 && n != 8 || r.Offset+n > g.Size || r.Target == object.NoAtom {
			return t.Fail(ReasonUnsupported, b.Ref, runOff, "jump table with an entry that is not 4 or 8 bytes wide")
		}
		to := b.Value
		if n == 8 {
			to = binary.LittleEndian.Uint64(run[r.Offset:])
		} else {
			to += uint64(int64(int32(binary.LittleEndian.Uint32(run[r.Offset:]))))
			if h, _ := amd64.HowtoOf(r.Type); !h.PCRel {
				to -= b.Value
			}
		}
		if r.Target != a.ID {
			t.bind(Binding{Key: Key{InAtom, int32(r.Target), r.TargetOff}, Value: to, Ref: b.Ref})
		} else if want := t.At(r.TargetOff); to != want {
			e := t.Fail(ReasonBranch, b.Ref, runOff, "entry %d of the jump table at %#x leads to %#x, and should lead to %#x", j, b.Value, to, want)
			e.Target = to
			return e
		}
	}
	return nil
}

// compareData compares a constant with run at t.addr; variables only have an
// address. Jump tables are compared by the functions that use them.
func (m *Comparer) compareData(t *Trial, a *object.Atom) *Difference {
	t.Size = a.Size
	if a.Kind != object.Const || a.NoBits || a.Jumps || m.isTypeID(a) || m.IsFreed(t.Addr) {
		return nil
	}
	if err := m.wellFormed(t, a); err != nil {
		return err
	}
	run, err := m.View.Bytes(t.Addr, a.Size)
	if err != nil {
		e := t.Fail(ReasonUnreadable, 0, 0, "%s", m.Label(a.ID))
		e.Err = err
		return e
	}
	from := uint64(0)
	for i := range a.Refs {
		r := &a.Refs[i]
		if e := m.differ(t, a, run, from, r.Offset); e != nil {
			return e
		}
		if e := m.solve(t, a, i, run[r.Offset:], t.Addr+r.Offset); e != nil {
			return e
		}
		from = r.Offset + FieldSize(r)
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
func (m *Comparer) paddedLess(t *Trial, a *object.Atom, off uint64) bool {
	if !a.Anonymous() || int(a.ID)+1 >= len(m.Pre.Atoms) {
		return false
	}
	next := m.Pre.Atom(a.ID + 1)
	if next.Section != a.Section || next.Offset != a.Offset+a.Size ||
		next.NoBits || len(next.Refs) > 0 || next.Size < minNext {
		return false
	}
	zero := a.Size
	for zero > 0 && a.Bytes[zero-1] == 0 {
		zero--
	}
	align := min(next.Offset&-next.Offset, m.Pre.File.Sections[a.Section].Addralign)
	if align == 0 || align&(align-1) != 0 {
		return false
	}
	start := (t.Addr + a.Size - 1) &^ (align - 1) // less than that much padding is gone
	if start < t.Addr+zero || start > t.Addr+off {
		return false
	}
	run, err := m.View.Bytes(start, next.Size)
	return err == nil && bytes.Equal(run, next.Bytes)
}

// minNext is the number of bytes that show that a constant begins somewhere.
const minNext = 8

// isTypeID reports whether a constant is the number of a type, or a set of them:
// zero until the kernel is linked (include/linux/btf_ids.h, and resolve_btfids,
// which also sorts sets).
func (m *Comparer) isTypeID(a *object.Atom) bool {
	return m.Pre.File.Sections[a.Section].Name == kerneltab.TypeIDs
}

// differ compares [lo, hi) of a constant.
func (m *Comparer) differ(t *Trial, a *object.Atom, run []byte, lo, hi uint64) *Difference {
	if bytes.Equal(a.Bytes[lo:hi], run[lo:hi]) {
		return nil
	}
	for lo < hi && a.Bytes[lo] == run[lo] {
		lo++
	}
	e := t.Fail(ReasonContent, lo, lo, "")
	e.Target, e.Pre, e.Run = t.Addr+lo, a.Bytes[lo:hi], run[lo:hi]
	return e
}
