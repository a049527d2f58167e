package splice

import (
	"cmp"
	"debug/elf"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
)

// Names knows which functions of the objects of an update run at which address. A
// redirection is of an address, and with it of all functions that a linker put
// there (identical code folding) and of all names that lead there.
type Names struct {
	parts []*Part
	at    map[namedPlace][]holder
}

// namedPlace is a link address in a file.
type namedPlace struct {
	module string
	addr   uint64
}

// holder is a function of pre that runs at an address.
type holder struct {
	part *Part
	pre  object.AtomID
}

// maxHolders bounds how many functions at one address are compared.
const maxHolders = 64

// NewNames indexes the matched functions of all parts of an update.
func NewNames(parts []*Part) *Names {
	n := &Names{parts: parts, at: map[namedPlace][]holder{}}
	for _, p := range parts {
		if p == nil || p.Match == nil {
			continue
		}
		for i := range p.Match.Functions {
			f := &p.Match.Functions[i]
			if f.Verdict != reloc.Matched || f.Size == 0 {
				continue
			}
			at := p.placeOf(f.Address)
			n.at[at] = append(n.at[at], holder{p, f.Atom})
		}
	}
	return n
}

func (p *Part) placeOf(addr uint64) namedPlace {
	if m, _ := p.Image.ModuleAt(addr); m != nil {
		return namedPlace{cmp.Or(m.Path, m.Name), addr - m.Bias}
	}
	return namedPlace{"", addr}
}

// Check decides whether all that runs at the address of a function of pre may be
// redirected with it: refused is nil then. With again, another
// function runs there that becomes the same in post, and comes first.
func (n *Names) Check(p *Part, pre object.AtomID) (again bool, refused *Refusal) {
	if p == nil || p.Diff == nil || p.Match == nil || p.Image == nil {
		return false, Refuse(CodeNotMatched, "", "", 0, "no comparison, match or image is given")
	}
	f := p.Match.Func(pre)
	own := holder{p, pre}
	all := n.at[p.placeOf(f.Address)]
	if len(all) > maxHolders {
		return false, Refuse(CodeSharedAddress, p.Diff.Pre.Atom(pre).Name, "", f.Address, "%d functions are at its address", len(all))
	}
	for i, h := range all {
		if h == own || h.pre == pre && h.part.Diff.Pre.Name() == p.Diff.Pre.Name() {
			continue // also of an object that was given twice, which is refused as such
		}
		if !h.becomes(own) {
			name := p.Diff.Pre.Atom(pre).Name
			return false, Refuse(CodeSharedAddress, name, "", f.Address, "the linker folded it with %s of %s, which post does not change alike",
				cmp.Or(h.part.Diff.Pre.Atom(h.pre).Name, "other code"), h.part.Diff.Pre.Name())
		}
		again = again || i == 0
	}
	return again, p.strangers(pre, f, all)
}

// becomes reports whether two functions of pre are one in post.
func (h holder) becomes(o holder) bool {
	d := h.part.Diff
	a, b := d.PostOf(h.pre), d.PostOf(o.pre)
	return h.part == o.part && d.Included(a) && d.Included(b) && d.SameCode(a, b)
}

// strangers looks for names in run that pre does not have at a function: those of
// functions of other objects, which the linker folded with it, or of another
// definition, which replaced a weak one.
func (p *Part) strangers(pre object.AtomID, f *reloc.FuncResult, all []holder) *Refusal {
	names := map[string]knownName{}
	for _, h := range all {
		h.part.addNames(names, h.pre)
	}
	local := map[string]int{}
	a := p.Diff.Pre.Atom(pre)
	for _, s := range p.Image.SymbolsAt(f.Address) {
		if s.Spread || s.Size == 0 || s.Type != elf.STT_FUNC && s.Type != elf.STT_GNU_IFUNC {
			continue
		}
		name := plainName(s.Name)
		known, ok := names[name]
		if !ok {
			return Refuse(CodeSharedAddress, a.Name, "", f.Address, "%s of another object is at its address, and would change with it", s.Name)
		}
		if known.weak && !s.Weak && !s.Local {
			return Refuse(CodeSharedAddress, a.Name, "", f.Address, "the definition of another object, which is not weak, replaced it")
		}
		if local[name]++; s.Local && local[name] > known.count {
			return Refuse(CodeSharedAddress, a.Name, "", f.Address, "the %s of several objects are at its address, and would change with it", s.Name)
		}
	}
	return nil
}

// knownName is what pre says of a name.
type knownName struct {
	weak  bool // all symbols of that name are
	count int
}

// addNames adds the names of a function of pre.
func (p *Part) addNames(names map[string]knownName, pre object.AtomID) {
	a := p.Diff.Pre.Atom(pre)
	for _, i := range a.Symbols {
		s := p.Diff.Pre.Symbol(i)
		if s.Value != a.Offset {
			continue
		}
		name := plainName(s.Name)
		k, met := names[name]
		names[name] = knownName{s.IsWeak() && (k.weak || !met), k.count + 1}
	}
}

// plainName is a name without a version, and without the numbers and words that
// link time optimisation adds.
func plainName(name string) string {
	name, _, _ = strings.Cut(name, "@")
	var out []string
	for i, part := range strings.Split(name, ".") {
		if i == 0 || part != "lto_priv" && part != "llvm" && strings.Trim(part, "0123456789") != "" {
			out = append(out, part)
		}
	}
	return strings.Join(out, ".")
}
