package splice

import (
	"debug/elf"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
)

// Defined refuses what a part brings along under a name that the running program has
// already: a variable of another object, which it would be a second copy of, or a
// function that a weak one of post yields to. Linked from the source, both are one.
func (p *Part) Defined() []*Refusal {
	if p.Diff == nil || p.Image == nil {
		return nil
	}
	var list []*Refusal
	d, module := p.Diff, p.module()
	for _, changes := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range changes {
			if ch := &changes[i]; ch.Status == verdict.New && d.Included(ch.Post) {
				list = p.defined(list, d.Post.Atom(ch.Post), module)
			}
		}
	}
	return list
}

func (p *Part) defined(list []*Refusal, a *object.Atom, module int) []*Refusal {
	home := p.Diff.Post.File.Sections[a.Section]
	if home.Flags&elf.SHF_GROUP != 0 && a.Kind != object.Data && a.Kind != object.TLS {
		return list // of C++, where all definitions are the same (ISO C++, basic.def.odr)
	}
	for _, i := range a.Symbols {
		s := p.Diff.Post.Symbol(i)
		if s.Bind() == elf.STB_LOCAL || a.Kind == object.Func && !s.IsWeak() {
			continue
		}
		switch there, all := p.global(s.Name, module); {
		case there:
			list = append(list, Refuse(CodeDefined, s.Name, home.Name, 0, "it is new in post, and the running program has it from another object"))
		case !all && p.Diff.Post.IsCommon(a):
			list = append(list, Refuse(CodeDefined, s.Name, home.Name, 0, "it is a common symbol, and the running program has no symbols that tell whether another object defines it"))
		}
	}
	return list
}

// module returns the number of the module that the part was matched in.
func (p *Part) module() int {
	for i := range p.Match.Functions {
		if f := &p.Match.Functions[i]; f.Verdict == reloc.Matched {
			_, module := p.Image.ModuleAt(f.Address)
			return module
		}
	}
	return image.NoModule
}

// global reports whether a module has a global symbol of a name, and whether all its
// symbols are known.
func (p *Part) global(name string, module int) (there, all bool) {
	for _, s := range p.Image.Lookup(name) {
		there = there || s.Module == module && !s.Local
	}
	return there, p.Image.HasAllSymbols(module)
}

// twice refuses global variables that several objects of an update bring along.
func twice(u *Update) error {
	from := map[string]string{}
	for i := range u.Objects {
		f, err := elfobj.Parse(u.Objects[i].ELF)
		if err != nil {
			return err
		}
		syms, err := f.Symbols()
		if err != nil {
			return err
		}
		for k := range syms {
			s := &syms[k]
			if s.Bind() == elf.STB_LOCAL || !s.IsDefined() || s.Type() != elf.STT_OBJECT || isCell(s) {
				continue
			}
			if other, met := from[s.Name]; met && other != u.Objects[i].Name {
				return Refuse(CodeDefined, s.Name, u.Objects[i].Name, 0, "%s of the update has it too, and both would have a copy", other)
			}
			from[s.Name] = u.Objects[i].Name
		}
	}
	return nil
}

// isCell reports whether a symbol is of a pointer that C++ compilers give each object for the unwinder alone, to
// what handles exceptions there (DW.ref.* of the ABI): a copy is as good, and a linker keeps any.
func isCell(s *elfobj.Symbol) bool {
	return strings.HasPrefix(s.Name, "DW.ref.") && s.Bind() == elf.STB_WEAK && s.Visibility() == elf.STV_HIDDEN
}
