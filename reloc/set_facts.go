package reloc

import (
	"cmp"
	"debug/elf"
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// summary is what the match of one object says to the others of a set. It keeps
// nothing of the object.
type summary struct {
	home    int
	values  []named           // of global symbols
	extents map[string]span   // by chain: from the first matched function to the last
	taken   []span            // of matched functions
	chains  []string          // those of which nothing is matched
	fits    map[string][]span // where these may be
	sparse  map[string]bool   // those with too few bytes to be taken where they fit once
	open    int               // functions without a place
	matched int
}

// progress grows with what is known.
func (f *summary) progress() int { return f.matched + len(f.fits) }

type named struct {
	name  string
	value uint64
}

// span is the addresses from lo up to hi.
type span struct{ lo, hi uint64 }

// facts is what an object is told of what the others say.
type facts struct {
	values map[string]uint64 // of global symbols
	free   map[string][]span // by chain: where it may be; nil when that is not asked yet
	pins   map[string]uint64 // by chain: where its first function is
	early  bool              // there is more to come, so that nothing is scanned for
}

// hear takes over what other objects say.
func (m *solver) hear(f *facts) {
	m.told = f
	for i := range m.c.Pre.Symbols() {
		idx := elfobj.SymbolIndex(i)
		s := m.c.Sym(idx)
		v, ok := f.values[s.Name]
		if !ok || s.Name == "" || s.Bind() == elf.STB_LOCAL || s.Type() == elf.STT_TLS || s.Type() == elf.STT_GNU_IFUNC {
			continue
		}
		id := m.c.Pre.AtomOf(idx)
		switch {
		case s.Section == elfobj.SecUndef:
			m.set(prove.Key{Space: prove.InAddress, ID: int32(idx)}, &value{value: v})
		case id == object.NoAtom:
		case s.IsWeak():
			m.set(prove.Key{Space: prove.InAddress, ID: int32(idx)}, &value{value: v, soft: true})
			if m.atomAt[id] == nil {
				m.atomAt[id] = &value{value: v - (s.Value - m.c.Pre.Atom(id).Offset), soft: true}
			}
		default:
			m.atomAt[id] = &value{value: v - (s.Value - m.c.Pre.Atom(id).Offset)}
		}
	}
	for name, start := range f.pins {
		m.pin(name, start)
	}
}

// pin places a chain as a whole.
func (m *solver) pin(name string, start uint64) {
	for _, chain := range m.makeChains() {
		if m.c.ChainName(m.funcs[chain[0]].atom) != name {
			continue
		}
		u := m.fit(m.tried, chain, start, ^uint64(0))
		for k, t := range u {
			if f := &m.funcs[chain[k]]; f.open && !m.isReplaced(f, t.Addr) {
				f.cands, f.pinned = []cand{{addr: t.Addr, by: ByLayout}}, true
			}
		}
	}
}

// summarize gathers what a match says to others.
func (m *solver) summarize(r *Result) *summary {
	f := &summary{home: m.home, extents: make(map[string]span), fits: make(map[string][]span), sparse: make(map[string]bool)}
	for i := range r.Symbols {
		v := &r.Symbols[i]
		s := m.c.Sym(v.Symbol)
		if v.Symbol == 0 || v.Has&UseAddress == 0 || s.Bind() != elf.STB_GLOBAL || s.Type() == elf.STT_TLS || s.Type() == elf.STT_GNU_IFUNC {
			continue
		}
		if k := m.known(prove.Key{Space: prove.InAddress, ID: int32(v.Symbol)}); s.Section == elfobj.SecUndef && (k == nil || k.soft) {
			continue
		}
		f.values = append(f.values, named{v.Name, v.Address})
	}
	for i := range m.funcs {
		g := &m.funcs[i]
		if v := r.Functions[i].Verdict; g.done == nil {
			if v == Ambiguous || v == Absent && !g.freed && r.Functions[i].Replacement == 0 {
				f.open++
			}
			continue
		}
		f.matched++
		f.taken = append(f.taken, span{g.done.Addr, m.end(int32(i))})
	}
	for _, chain := range m.makeChains() {
		if e, ok := m.extent(chain); ok {
			f.extents[strings.Clone(m.c.ChainName(m.funcs[chain[0]].atom))] = e
		}
	}
	m.findFits(f)
	return f
}

// extent returns the memory from the first matched function of a chain to the last,
// but for weak ones, which may be another file's.
func (m *solver) extent(chain []int32) (e span, ok bool) {
	e.lo = ^uint64(0)
	for _, i := range chain {
		if f := &m.funcs[i]; f.done != nil && !f.weak {
			e, ok = span{min(e.lo, f.done.Addr), max(e.hi, m.end(i))}, true
		}
	}
	return e, ok
}

// names returns the global symbols by module, those that have one value; under
// NoModule those that have one in all modules together.
func (s *set) names() map[int]map[string]uint64 {
	out := map[int]map[string]uint64{image.NoModule: {}}
	all, several := out[image.NoModule], make(map[string]bool)
	for home, claimed := range s.claimed() {
		names := make(map[string]uint64, len(claimed))
		for name, c := range claimed {
			if v, ok := all[name]; len(c) > 1 || ok && v != c[0].Address {
				several[name] = true
			}
			if len(c) == 1 {
				names[name], all[name] = c[0].Address, c[0].Address
			}
		}
		if home != image.NoModule {
			out[home] = names
		}
	}
	maps.DeleteFunc(all, func(name string, _ uint64) bool { return several[name] })
	return out
}

// claimed returns what is said of each global symbol, by module.
func (s *set) claimed() map[int]map[string][]Claim {
	out := make(map[int]map[string][]Claim)
	for i, f := range s.found {
		names := out[f.home]
		if names == nil {
			names = make(map[string][]Claim)
			out[f.home] = names
		}
		for _, v := range f.values {
			list := names[v.name]
			k := slices.IndexFunc(list, func(c Claim) bool { return c.Address == v.value })
			if k < 0 {
				k = len(list)
				list = append(list, Claim{Address: v.value, Object: i})
			}
			list[k].Objects++
			names[v.name] = list
		}
	}
	return out
}

// conflicts returns the symbols of which different things are said.
func (s *set) conflicts() []Conflict {
	var out []Conflict
	all := s.claimed()
	for _, home := range slices.Sorted(maps.Keys(all)) {
		for name, c := range all[home] {
			if len(c) > 1 {
				slices.SortFunc(c, func(a, b Claim) int { return cmp.Compare(a.Address, b.Address) })
				out = append(out, Conflict{name, c})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Conflict) int { return strings.Compare(a.Name, b.Name) })
	return out
}
