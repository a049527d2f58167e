package module

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/klink"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// A check is one stretch of the running kernel that is compared before anything
// is enabled.
type check struct {
	name   string // for the log
	at     ko.Dest
	want   []byte
	mask   []byte // bits of want that have to be there
	fields []field
}

// field is a field of want that holds an address, or depends on one, which is
// known when the module is loaded. In a check of the kernel itself the loader
// fills it in, by a relocation.
type field struct {
	off    uint64
	typ    uint32
	to     ko.Dest
	addend int64
}

func newCheck(name string, at ko.Dest, want []byte) check {
	c := check{name: name, at: at, want: want, mask: make([]byte, len(want))}
	for i := range c.mask {
		c.mask[i] = 0xff
	}
	return c
}

// expect adds the check of a function that is replaced, or of its cold part.
// Masked is
//
//   - what the tables list: the kernel rewrites those places when it boots or
//     loads the module, when a static branch changes, when someone traces the
//     function;
//   - in the kernel itself, distances to per-CPU variables: they do not move
//     when the code does;
//   - in a module, what other modules export.
func (l *linker) expect(f *Function, id object.AtomID, m *reloc.FuncResult) {
	makeCheck := l.checkOf
	if l.obj.target != nil {
		makeCheck = l.checkInModule
	}
	c, err := makeCheck(id, m)
	if err != nil {
		l.refused.add(err)
		return
	}
	for _, s := range l.obj.sitesOf(l.builder).In(m.Address, m.Address+m.Size) {
		for at := max(s.Addr, m.Address); at < min(s.Addr+s.Size, m.Address+m.Size); at++ {
			c.mask[at-m.Address] = 0
		}
	}
	f.Size += m.Size
	for _, x := range c.mask {
		if x == 0 {
			f.Masked++
		}
	}
	l.obj.checks = append(l.obj.checks, c)
}

// checkOf prepares the check of a function of the kernel itself.
func (l *linker) checkOf(id object.AtomID, m *reloc.FuncResult) (check, error) {
	a := l.pair.Diff.Pre.Atom(id)
	want, err := l.image.Read(m.Address, m.Size)
	if err != nil {
		r := refuse(splice.CodeNotMatched, a.Name, "", m.Address, "its code can't be read")
		r.Err = err
		return check{}, r
	}
	at, _, err := l.reach(a.Name, m.Address)
	if err != nil {
		return check{}, err
	}
	c := newCheck(a.Name, at, want)
	for i := range a.Refs {
		if err := l.addReference(&c, a, &a.Refs[i], m); err != nil {
			return check{}, err
		}
	}
	return c, nil
}

// addReference adds what one reference of the function expects: does its field change when the
// image is moved?
func (l *linker) addReference(c *check, a *object.Atom, r *object.Ref, m *reloc.FuncResult) error {
	size, ok := relocations[r.Type]
	off := m.RunOffset(r.Offset)
	if r.Implicit || size == 0 || !ok || off+size > uint64(len(c.want)) {
		return nil
	}
	h, ok := amd64.HowtoOf(r.Type)
	if !ok {
		return nil
	}
	in := c.want[off : off+size]
	s, err := h.Solve(in, r.Addend, m.Address+off)
	if err != nil {
		return refuse(splice.CodeNotMatched, a.Name, "", m.Address+off, "its reference can't be solved: %v", err)
	}
	switch {
	case h.PCRel && l.image.IsOffset(s):
		clear(c.mask[off : off+size])
	case !h.PCRel && l.image.IsMapped(s):
		to, _, err := l.reach(a.Name, s)
		if err != nil {
			return err
		}
		c.fields = append(c.fields, field{off, r.Type, to, r.Addend})
		clear(in) // the loader wants it to be zero
	}
	return nil
}

// checkInModule prepares the check of a function of a module.
func (l *linker) checkInModule(id object.AtomID, m *reloc.FuncResult) (check, error) {
	return l.heldInModule(l.pair.Diff.Pre.Atom(id).Name, m.Address, m.Size)
}

// heldInModule prepares the check of a stretch of a module. The relocations of the module's
// file say what the loader does to it.
func (l *linker) heldInModule(name string, addr, size uint64) (check, error) {
	t := l.obj.target
	at, ok := t.at(addr)
	if !ok {
		return check{}, refuse(splice.CodeNotMatched, name, t.Name(), addr, "it is not in the module")
	}
	want, fixups, err := t.mod.Raw(at.Part-firstPart, uint64(at.Addend), size)
	if err != nil {
		r := refuse(splice.CodeNotMatched, name, t.Name(), addr, "it can't be read")
		r.Err = err
		return check{}, r
	}
	c := newCheck(name, at, want)
	for i := range fixups {
		x := &fixups[i]
		size, ok := relocations[x.Rela.Type]
		if !ok || x.Offset+size > uint64(len(want)) {
			return check{}, refuse(splice.CodeNotMatched, name, t.Name(), addr+x.Offset, "%v reaches over its end", elf.R_X86_64(x.Rela.Type))
		}
		if size == 0 {
			continue
		}
		to, known := t.symbol(x.Symbol)
		switch {
		case known && t.mod.Parts[to.Part-firstPart].Field < 0:
			known = false // of what is freed
		case x.Symbol.IsDefined() || known:
		default:
			if e, ok := l.exports[x.Symbol.Name]; ok {
				if to, _, err = l.reach(x.Symbol.Name, e.Addr); err != nil {
					return check{}, err
				}
				known = true
			}
		}
		if !known {
			clear(c.mask[x.Offset : x.Offset+size])
		} else {
			c.fields = append(c.fields, field{x.Offset, x.Rela.Type, to, x.Rela.Addend})
		}
	}
	return c, nil
}

// checks writes the table for init: first the identity of the kernel, then the
// functions of the kernel itself.
func (b *builder) checks() {
	id := "the build-id of the kernel"
	at, _, err := b.reach(id, b.idAddr)
	if err != nil {
		b.refused.add(err)
		return
	}
	rows := []check{newCheck(id, at, b.id)}
	for _, o := range b.objects {
		if o.target == nil {
			rows = append(rows, o.checks...)
		}
	}
	t, wants := b.checkTable(b.Rodata(), "checks", rows)
	for i := range rows {
		t.Refer(i, "at", rows[i].at)
		for _, f := range rows[i].fields {
			t.Section.AddRela(wants[i]+f.off, elf.R_X86_64(f.typ), f.to.Symbol, f.to.Addend+f.addend)
		}
	}
}

// checkTable writes a table of checks into s, and returns it, and where the bytes of each
// row are. Where to look is not in it yet.
func (b *builder) checkTable(s *ko.Section, name string, list []check) (t klink.Table, wants []uint64) {
	t = b.code.AddTable(s, name, "check", len(list)+1)
	for i := range list {
		c := &list[i]
		want, mask := s.Append(16, c.want), s.Append(16, c.mask)
		t.Refer(i, "want", ko.Dest{Symbol: s.Anchor, Addend: int64(want)})
		t.Refer(i, "mask", ko.Dest{Symbol: s.Anchor, Addend: int64(mask)})
		t.Put64(i, "size", uint64(len(c.want)))
		t.Refer(i, "name", b.Literal(c.name))
		wants = append(wants, want)
	}
	return t, wants
}
