package reloc

import (
	"bytes"
	"cmp"
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// result makes the Result of what is decided.
func (m *solver) result() *Result {
	r := &Result{
		Functions: make([]FuncResult, len(m.funcs)),
		atoms:     make([]uint64, len(m.c.Pre.Atoms)),
		located:   make([]bool, len(m.c.Pre.Atoms)),
		bySymbol:  make([]int32, len(m.c.Pre.Symbols())),
		funcs:     m.fnOf,
	}
	for i := range m.funcs {
		r.Functions[i] = m.verdict(&m.funcs[i])
	}
	for id := range m.c.Pre.Atoms {
		if i := m.fnOf[id]; i >= 0 {
			if t := m.funcs[i].done; t != nil {
				r.atoms[id], r.located[id] = t.Addr, true
				continue
			} else if !m.funcs[i].freed {
				continue
			}
		}
		if v := m.known(prove.Key{Space: prove.InAtom, ID: int32(id)}); v != nil {
			r.atoms[id], r.located[id] = v.value, true
		}
	}
	m.listValues(r)
	r.ownNames()
	return r
}

// ownNames copies the names: those of pre share the memory of its file, all of
// which a result would keep.
func (r *Result) ownNames() {
	n := 0
	for i := range r.Functions {
		n += len(r.Functions[i].Name)
	}
	for i := range r.Symbols {
		n += len(r.Symbols[i].Name)
	}
	var b strings.Builder
	b.Grow(n)
	for i := range r.Functions {
		b.WriteString(r.Functions[i].Name)
	}
	for i := range r.Symbols {
		b.WriteString(r.Symbols[i].Name)
	}
	all := b.String()
	own := func(name *string) { *name, all = all[:len(*name)], all[len(*name):] }
	for i := range r.Functions {
		own(&r.Functions[i].Name)
	}
	for i := range r.Symbols {
		own(&r.Symbols[i].Name)
	}
}

// verdict makes the result of one function.
func (m *solver) verdict(f *fn) FuncResult {
	out := FuncResult{Atom: f.atom.ID, Name: f.atom.Name, Weak: f.weak, Freed: f.freed}
	switch {
	case f.done != nil:
		out.Verdict, out.By, out.Address, out.Size, out.Shifts = Matched, f.by, f.done.Addr, f.done.Size, shiftsOf(f.done)
		out.Patches = m.patchesOf(f.done)
		out.RunName, out.SymPos = m.position(f.atom.Name, f.done.Addr)
	case f.open && (len(f.remain) > 0 || f.small && len(f.cands) == 0 || f.more):
		out.Verdict, out.Candidates, out.More = Ambiguous, slices.Clone(f.remain), f.more || f.small
		out.Undecided = m.whatDecides(f)
	case f.err != nil && !m.chance(f):
		out.Verdict, out.Address = Mismatch, f.err.Addr
		out.Mismatch = m.explain(f)
	}
	if out.Verdict == Matched || out.Verdict == Mismatch {
		out.Redirect = m.redirectOf(f, &out)
	}
	if out.Verdict != Matched {
		if other, ok := m.replacement(f); ok {
			out.Verdict, out.Candidates, out.More, out.Replacement = Absent, nil, false, other
		}
	}
	m.log.Debug("verdict", "function", f.atom.Name, "verdict", out.Verdict)
	return out
}

// shiftsOf returns the shifts of a function.
func shiftsOf(t *attempt) []Shift {
	if len(t.Shifts) == 0 {
		return nil
	}
	out := make([]Shift, len(t.Shifts))
	for i, s := range t.Shifts {
		out[i] = Shift(s)
	}
	return out
}

// whatDecides says what would decide about a function that matches at several
// places, or that is too small to be searched for.
func (m *solver) whatDecides(f *fn) string {
	what := []string{"a match of something that refers to it"}
	if m.c.NoSymbols || len(m.c.AtomPlaces(f.atom.ID)) == 0 {
		what = append(what, "a symbol")
	} else if !slices.ContainsFunc(m.c.Image.Lookup(f.atom.Name), func(s image.Symbol) bool { return s.File != "" }) {
		what = append(what, "symbols with the names of their files, as .symtab has them")
	}
	if m.c.Image.IsKernel() {
		what = append(what, "a match of the function next to it in "+m.c.ChainName(f.atom))
	}
	why := fmt.Sprintf("%d places hold the same code", len(f.remain))
	switch {
	case len(f.remain) == 0:
		why = fmt.Sprintf("%d bytes without references are too few to search for", f.fixed)
	case f.more:
		why = "more places hold the same code than are looked at"
	case len(f.remain) == 1:
		why = fmt.Sprintf("one place holds the same code, but %d bytes may well be there by chance", f.fixed)
	}
	return why + "; it takes " + strings.Join(what, ", or ")
}

// position returns the symbol of run at an address, the one of the name that it
// has in pre if there is one, and its position among those of that name.
func (m *solver) position(name string, addr uint64) (string, uint64) {
	if m.c.NoSymbols {
		return "", 0
	}
	var found *image.Symbol
	list := m.c.Image.SymbolsAt(addr)
	for i := range list {
		s := &list[i]
		if s.Name == name {
			found = s
			break
		}
		if found == nil && s.IsFunc() && s.Type != elf.STT_NOTYPE {
			found = s
		}
	}
	if found == nil {
		return "", 0
	}
	pos, _ := m.c.Image.SymPos(*found)
	return found.Name, pos
}

// chance reports whether the place where a function was found to differ may
// have nothing to do with it: some bytes that a search found, or a definition
// that replaced a weak one.
func (m *solver) chance(f *fn) bool {
	if f.weak {
		return !m.isWeakAt(f.atom.Name, f.err.Addr)
	}
	for _, c := range f.cands {
		if c.by != BySearch {
			return false
		}
	}
	if f.state == Mismatch {
		return false
	}
	return len(f.cands) != 1 || f.fixed < tiers[1]
}

// explain completes an error with the instructions around the place. It copies
// them, so that the error keeps neither pre nor what was read of run.
func (m *solver) explain(f *fn) *MismatchError {
	e := newMismatch(f.atom.Name, f.err)
	if e.Func == "" {
		e.Func = m.c.Label(f.atom.ID)
	}
	pre := f.atom.Bytes
	e.pre = around(pre, 0, e.Offset, nil)
	img := m.c.Image // the error is not to keep more than that
	sym := func(addr uint64) (string, uint64, bool) { return prove.Symbolize(img, addr) }
	if m.c.NoSymbols {
		sym = nil
	}
	if run, err := m.c.View.UpTo(e.Addr, uint64(len(pre))*2+64); err == nil {
		e.run = around(run, e.Addr, e.RunOffset, sym)
		if e.Reason != ReasonContent && len(e.Run) == 0 {
			e.Run = prove.InstAt(run, int(min(e.RunOffset, uint64(len(run)))))
		}
	}
	if e.Reason != ReasonContent && len(e.Pre) == 0 {
		e.Pre = prove.InstAt(pre, int(min(e.Offset, uint64(len(pre)))))
	}
	e.Pre, e.Run = bytes.Clone(e.Pre), bytes.Clone(e.Run)
	return e
}

// around cuts a listing of a few instructions before and after off. The mark
// is the instruction that off lies in.
func around(code []byte, base, off uint64, sym func(uint64) (string, uint64, bool)) listing {
	const before, after = 4, 4
	var starts []uint64
	at, mark := uint64(0), uint64(0)
	behind := 0
	for at < uint64(len(code)) && behind <= after {
		starts = append(starts, at)
		n := uint64(1)
		if in, err := amd64.Decode(code[at:]); err == nil {
			n = uint64(in.Len)
		}
		if at <= off {
			mark = at
		} else {
			behind++
		}
		at += n
	}
	i, _ := slices.BinarySearch(starts, mark)
	lo := uint64(0)
	if len(starts) > 0 {
		lo = starts[max(0, i-before)]
	}
	return listing{code: bytes.Clone(code[lo:at]), base: base + lo, off: lo, mark: mark, sym: sym}
}

// listValues lists the values of the symbols.
func (m *solver) listValues(r *Result) {
	for i := 1; i < len(m.c.Pre.Symbols()); i++ {
		idx := elfobj.SymbolIndex(i)
		s := m.c.Sym(idx)
		if s.Name == "" || strings.HasPrefix(s.Name, ".L") || s.Type() == elf.STT_FILE || s.Type() == elf.STT_SECTION {
			continue
		}
		v := m.symbolValue(idx, s)
		if v.Has&UseAddress != 0 && v.Atom != object.NoAtom && !r.located[v.Atom] && m.isVariable(v.Atom, s) {
			r.atoms[v.Atom], r.located[v.Atom] = v.Address, true
		}
		if v.Has != 0 {
			r.Symbols = append(r.Symbols, v)
		}
	}
	if v := m.known(prove.Key{Space: prove.InTLSSlot, ID: 0}); v != nil {
		r.TLSBlock = v.value
	}
	r.Symbols = slices.Clone(r.Symbols) // a result may be one of thousands
	slices.SortFunc(r.Symbols, func(a, b Value) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Atom, b.Atom), cmp.Compare(a.Symbol, b.Symbol))
	})
	for i := range r.Symbols {
		r.bySymbol[r.Symbols[i].Symbol] = int32(i) + 1
	}
}

// symbolValue gathers what is known of one symbol.
func (m *solver) symbolValue(idx elfobj.SymbolIndex, s *elfobj.Symbol) Value {
	v := Value{Name: s.Name, Symbol: idx, Atom: m.c.Pre.AtomOf(idx)}
	take := func(sp prove.Space, id int32, use Use) (uint64, bool) {
		got := m.known(prove.Key{Space: sp, ID: id})
		if got == nil {
			return 0, false
		}
		v.Has |= use
		for _, from := range got.from {
			if i, found := slices.BinarySearch(v.From, from); !found && len(v.From) < maxFrom {
				v.From = slices.Insert(v.From, i, from)
			}
		}
		return got.value, true
	}
	id := int32(idx)
	v.PLT, _ = take(prove.InPLT, id, UsePLT)
	v.GOT, _ = take(prove.InGOT, id, UseGOT)
	v.TLSSlot, _ = take(prove.InTLSSlot, id, UseTLSSlot)
	tp, hasTP := take(prove.InTPOff, id, UseTPOff)
	tls, hasTLS := take(prove.InTLS, id, UseTLS)
	addr, hasAddr := take(prove.InAddress, id, UseAddress)
	if v.Atom != object.NoAtom {
		off := s.Value - m.c.Pre.Atom(v.Atom).Offset
		if x, ok := take(prove.InTPAtom, int32(v.Atom), UseTPOff); ok {
			tp, hasTP = x+off, true
		}
		if x, ok := take(prove.InTLSAtom, int32(v.Atom), UseTLS); ok {
			tls, hasTLS = x+off, true
		}
		if !hasAddr && !m.unsure(v.Atom, s) || !s.IsWeak() {
			if x, ok := m.atomAddr(v.Atom, off); ok {
				addr, v.Has = x, v.Has|UseAddress
				take(prove.InAtom, int32(v.Atom), UseAddress)
			}
		}
	}
	if v.Atom != object.NoAtom && v.Has&UseAddress != 0 && s.IsWeak() {
		// A weak alias may have been replaced where the function was not.
		if list := m.c.Places(s); len(list) > 0 && !m.c.KnownAt(list, addr, image.NoModule) {
			addr = list[0].Addr
		}
	}
	if v.Has == 0 && (v.Atom == object.NoAtom || m.isVariable(v.Atom, s)) {
		if addr, hasAddr = m.byNameAlone(idx); hasAddr {
			v.Has |= UseAddress
		}
	}
	v.Address = addr
	v.TPOff = int64(tp)
	v.TLS = tls
	if hasTP && !hasTLS {
		if off, ok := m.c.TLSOffset(int64(tp), m.home); ok {
			v.TLS, v.Has = off, v.Has|UseTLS
		}
	}
	return v
}

// unsure reports whether nothing but its bytes tells where a weak function is:
// they stand there even when another definition has replaced it.
func (m *solver) unsure(id object.AtomID, s *elfobj.Symbol) bool {
	i := m.fnOf[id]
	return s.IsWeak() && i >= 0 && m.funcs[i].done != nil && m.funcs[i].by != BySymbol
}

// isVariable reports whether a symbol is that of a variable of pre which no other
// definition can have replaced: pv_ops, which all that refers to is rewritten.
func (m *solver) isVariable(id object.AtomID, s *elfobj.Symbol) bool {
	a := m.c.Pre.Atom(id)
	return a.Kind == object.Data && s.Bind() == elf.STB_GLOBAL && s.Value == a.Offset
}

// byNameAlone returns the address of a symbol that no matched code tells, since all
// that refers to it was rewritten: the one global symbol of that name.
func (m *solver) byNameAlone(i elfobj.SymbolIndex) (uint64, bool) {
	if s := m.c.Sym(i); !m.c.Image.IsKernel() || s.Bind() == elf.STB_LOCAL {
		return 0, false
	}
	list := m.c.SymbolPlaces(i)
	if len(list) != 1 {
		return 0, false
	}
	for _, s := range m.c.Image.SymbolsAt(list[0].Addr) {
		if s.Name == m.c.Sym(i).Name && !s.Local {
			return list[0].Addr, true
		}
	}
	return 0, false
}

// atomAddr returns the run address of an offset in a pre atom, when it is known.
func (m *solver) atomAddr(id object.AtomID, off uint64) (uint64, bool) {
	if i := m.fnOf[id]; i >= 0 && m.funcs[i].done != nil {
		return m.funcs[i].done.At(int64(off)), true
	}
	if v := m.known(prove.Key{Space: prove.InAtom, ID: int32(id)}); v != nil {
		return v.value + off, true
	}
	return 0, false
}
