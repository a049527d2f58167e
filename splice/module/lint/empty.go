package lint

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
)

// What the kernel fills in has to be empty in the file: it takes what stands there for its own, and
// calls it.

// A member is one of a structure that the file may have a number in.
type member struct{ offset, size uint64 }

// empty looks at what belongs to the kernel in the structures of livepatch
// (include/linux/livepatch.h). How large they are only a kernel tells.
func (c *checker) empty(p *kofile.Patch) {
	if c.kernel == nil {
		return
	}
	l := c.kernel.layout
	patch, object, fn := l["klp_patch"], l["klp_object"], l["klp_func"]
	if patch.Size == 0 || object.Size == 0 || fn.Size == 0 || len(p.Objects) == 0 {
		return
	}
	c.emptyBut("klp_patch", p.At, patch.Size, member{patch.Offsets["replace"], 1})
	for i := range p.Objects {
		o := &p.Objects[i]
		c.emptyBut(fmt.Sprintf("klp_object of %q", o.Name), o.At, object.Size)
		for k := range o.Functions {
			c.emptyBut("klp_func of "+o.Functions[k].Name, o.Functions[k].At, fn.Size, member{fn.Offsets["old_sympos"], 8})
		}
		c.emptyBut("row that ends the functions", kofile.Place{Section: o.Rows.Section, Offset: o.Rows.Offset + uint64(len(o.Functions))*fn.Size}, fn.Size)
	}
	last := p.Objects[len(p.Objects)-1].At
	c.emptyBut("row that ends the objects", kofile.Place{Section: last.Section, Offset: last.Offset + object.Size}, object.Size)
	if in := c.obj.Section(p.At.Section); in != nil {
		if b, err := in.Data(); err == nil && p.At.Offset+patch.Offsets["replace"] < uint64(len(b)) && b[p.At.Offset+patch.Offsets["replace"]] > 1 {
			c.wrong(CodeStruct, in.Name, p.At.Offset+patch.Offsets["replace"], "replace", "it is neither true nor false")
		}
	}
	c.callbacks(p)
}

// callbacks looks at what livepatch calls for an object.
func (c *checker) callbacks(p *kofile.Patch) {
	l := c.kernel.layout
	object, calls := l["klp_object"], l["klp_callbacks"]
	for i := range p.Objects {
		at := p.Objects[i].At
		for _, name := range []string{"pre_patch", "post_patch", "pre_unpatch", "post_unpatch"} {
			off := at.Offset + object.Offsets["callbacks"] + calls.Offsets[name]
			r, ok := c.relaIn(at.Section, off, 8)
			if !ok {
				continue
			}
			if to, x, ok := c.place(r); r.Offset != off || ok && !c.code[to.Index].isFunction(x) {
				c.wrong(CodeStruct, c.nameOf(at.Section), off, name, "what livepatch would call there is no function")
			}
		}
	}
}

// emptyBut looks for bytes of a structure that are not zero, where no relocation fills them in and
// no member of the file's is.
func (c *checker) emptyBut(what string, at kofile.Place, size uint64, but ...member) {
	in := c.obj.Section(at.Section)
	if in == nil {
		return
	}
	b, err := in.Data()
	if err != nil || at.Offset > uint64(len(b)) || size > uint64(len(b))-at.Offset {
		if err == nil && uint64(len(b)) == in.Size {
			c.wrong(CodeStruct, in.Name, at.Offset, what, "it reaches over the end of the section")
		}
		return
	}
	for i, x := range b[at.Offset : at.Offset+size] {
		if x != 0 && !isIn(but, uint64(i)) {
			c.wrong(CodeStruct, in.Name, at.Offset+uint64(i), what, "%#02x stands where the kernel keeps what is its own", x)
			return
		}
	}
}

func isIn(list []member, off uint64) bool {
	for _, m := range list {
		if off >= m.offset && off < m.offset+m.size {
			return true
		}
	}
	return false
}

// emptyModule looks at what belongs to the kernel in struct module.
func (c *checker) emptyModule(s *elfobj.Section) {
	m := c.kernel.layout["module"]
	c.emptyBut("struct module", kofile.Place{Section: s.Index}, m.Size, member{m.Offsets["name"], maxName})
	if b, err := s.Data(); err == nil {
		name := b[min(m.Offsets["name"], uint64(len(b))):]
		name = name[:min(maxName, len(name))]
		for i := len(c.facts["name"]); i < len(name); i++ {
			if name[i] != 0 {
				c.wrong(CodeStruct, kerneltab.ThisModule, m.Offsets["name"]+uint64(i), "name", "something is behind the end of its name")
				return
			}
		}
	}
}
