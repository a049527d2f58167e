package reloc

import (
	"cmp"
	"debug/elf"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

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
