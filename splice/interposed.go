package splice

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
)

// interposed refuses references of what a part brings along to functions of a library that the
// process has in another module too, which comes first for the dynamic linker: the update would
// call its own, and the library, linked with post, the other.
func (p *Part) interposed() (list []*Refusal) {
	module := p.module()
	if module == image.NoModule {
		return nil
	}
	post, seen := p.Diff.Post, map[object.AtomID]bool{}
	for id := range post.Atoms {
		a := post.Atom(object.AtomID(id))
		if a.Kind == object.Unwind || a.Kind == object.Meta || !p.Diff.Included(a.ID) {
			continue
		}
		for k := range a.Refs {
			t := a.Refs[k].Target
			if t == object.NoAtom || t == a.ID || seen[t] || post.Atom(t).Kind != object.Func {
				continue
			}
			seen[t] = true
			if name := p.interposedName(post.Atom(t), module); name != "" {
				list = append(list, Refuse(CodeInterposed, name, post.Atom(a.ID).Name, a.Refs[k].Offset,
					"the process has it in another module too, which the library's calls lead to, or may"))
			}
		}
	}
	return list
}

// interposedName returns the name of a function by which the dynamic linker leads elsewhere, or "".
func (p *Part) interposedName(t *object.Atom, module int) string {
	post := p.Diff.Post
	if post.File.Sections[t.Section].Flags&elf.SHF_GROUP != 0 {
		return "" // of C++, where all definitions are the same (ISO C++, basic.def.odr)
	}
	own := uint64(0)
	if pre := p.Diff.PreOf(t.ID); pre != object.NoAtom {
		f := p.Match.Func(pre)
		if f == nil || f.Verdict != reloc.Matched {
			return "" // refused where that matters
		}
		own = f.Address
	}
	for _, i := range t.Symbols {
		s := post.Symbol(i)
		if s.Bind() == elf.STB_LOCAL || s.Visibility() != elf.STV_DEFAULT || s.Value != t.Offset {
			continue
		}
		if _, bound := p.Image.Bound(module, s.Name); bound && own != 0 && !p.Diff.Included(t.ID) {
			continue // it goes by the same slot
		}
		if p.Image.IsInterposed(module, s.Name, own) {
			return s.Name
		}
	}
	return ""
}
