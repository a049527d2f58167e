package module

import (
	"bytes"
	"debug/elf"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/klink"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// Variables whose initial values differ (elfdiff.Options.Initials): each member that
// differs is a word. When the transition of livepatch is over, a word that still holds
// what the kernel was linked with gets the new value, in one step; before the
// transition is undone, one that was set, and still holds that, gets the old value
// back. What holds something else belongs to somebody, and is left alone. The log says
// what became of each. When another update replaces this one, what was set stays.

// Initial is a member of a variable that the module sets.
type Initial struct {
	Name string `json:"name"` // as C has it: variable[2].mode
	Addr uint64 `json:"addr"` // link address of the word
	Size uint64 `json:"size"` // 1, 2, 4 or 8 bytes
	// Pins says that its new value leads to code or data of the module, which is
	// pinned by that: see [Module].Pinned.
	Pins   bool   `json:"pins"`
	Module string `json:"module"` // that it is in, "" for the kernel itself
}

// setting is a row of the table that says what is set.
type setting struct {
	Initial
	place    ko.Dest
	old, new word
	readOnly bool // since the kernel has started: written to as text is
}

// word is a value of up to eight bytes, with the addresses in it.
type word struct {
	bytes  [8]byte
	fields []field
}

// initials plans the members that are set.
func (l *linker) initials() {
	for i := range l.carried.Initials {
		u := &l.carried.Initials[i]
		if l.image.IsLive() {
			l.refused.add(refuse(CodeNeedsImage, u.Name, l.Object, 0, "the value that the variable was linked with is not known"))
			continue
		}
		addr, err := l.variable(u)
		if err != nil {
			l.refused.add(err)
			continue
		}
		for k := range u.Members {
			l.initial(u, &u.Members[k], addr)
		}
	}
}

// variable returns where a variable is: as run-pre matching says, or at the only
// symbol of its name. The image has to hold there what pre has.
func (l *linker) variable(u *extract.InitialUpdate) (uint64, error) {
	addr, ok := l.pair.Match.AtomAddr(u.Pre)
	if !ok {
		list := l.part.Image.Lookup(u.Name)
		if len(list) != 1 || strings.Contains(u.Name, ".") || list[0].Size != uint64(len(u.Old)) {
			return 0, refuse(splice.CodeNotLocated, u.Name, l.Object, 0, "run-pre matching does not say where it is, and its name does not either")
		}
		addr = list[0].Addr
	}
	if l.isGone(addr) {
		return 0, refuse(CodeInit, u.Name, l.obj.name(), addr, "it is freed once the kernel, or the module, has started")
	}
	if !l.linkedAs(u.Pre, u.Old, addr) {
		return 0, refuse(splice.CodeNotMatched, u.Name, l.obj.name(), addr, "the image holds another initial value there than pre")
	}
	return addr, nil
}

// initial notes one member.
func (l *linker) initial(u *extract.InitialUpdate, m *extract.InitialMember, addr uint64) {
	s := setting{Initial: Initial{Name: m.Name, Addr: addr + m.Offset, Size: m.Size, Module: l.obj.name()}}
	var err error
	switch {
	case s.Addr%m.Size != 0:
		err = refuse(CodeInitials, m.Name, "", s.Addr, "it is not aligned")
	case l.obj.target != nil:
		err = l.wordInModule(&s)
	default:
		s.readOnly = l.image.IsReadOnly(s.Addr)
		if s.place, _, err = l.reach(m.Name, s.Addr); err == nil {
			s.old, err = l.linkedWord(u, m, addr)
		}
	}
	if err == nil {
		s.new, err = l.newWord(u, m, &s)
	}
	if err != nil {
		l.refused.add(err)
		return
	}
	if l.obj.target != nil {
		l.obj.settings = append(l.obj.settings, s)
	} else {
		l.settings = append(l.settings, s)
	}
	if s.Pins { // also when another update replaces this one: what was set stays
		l.pins.add(Pin{Object: l.Object, Name: m.Name, Where: u.Name, Offset: m.Offset, How: "leads to the update once it is set"}, true)
	}
}

// wordInModule finds a word of a module, and what the loader leaves there.
func (l *linker) wordInModule(s *setting) error {
	c, err := l.heldInModule(s.Name, s.Addr, s.Size)
	if err != nil {
		return err
	}
	if bytes.Contains(c.mask, []byte{0}) {
		return refuse(CodeInitials, s.Name, s.Module, s.Addr, "its old value is not known before the module is loaded")
	}
	for _, f := range c.fields {
		if h, ok := amd64.HowtoOf(f.typ); !ok || h.PCRel {
			return refuse(CodeInitials, s.Name, s.Module, s.Addr, "its old value has a reference of type %v", elf.R_X86_64(f.typ))
		}
		clear(c.want[f.off : f.off+relocations[f.typ]])
	}
	s.place, s.readOnly = c.at, !l.obj.target.isPlain(c.at)
	copy(s.old.bytes[:], c.want)
	s.old.fields = c.fields
	return nil
}

// linkedWord is what the image has there. Addresses in it are as KASLR moves them.
func (l *linker) linkedWord(u *extract.InitialUpdate, m *extract.InitialMember, addr uint64) (w word, err error) {
	b, err := l.image.Read(addr+m.Offset, m.Size)
	if err != nil {
		r := refuse(splice.CodeNotMatched, m.Name, "", addr+m.Offset, "the image can't be read there")
		r.Err = err
		return w, r
	}
	copy(w.bytes[:], b)
	for _, r := range l.pair.Diff.Pre.Atom(u.Pre).Refs {
		if r.Offset < m.Offset || r.Offset >= m.Offset+m.Size {
			continue
		}
		h, ok := amd64.HowtoOf(r.Type)
		if !ok || relocations[r.Type] == 0 {
			return w, refuse(CodeInitials, m.Name, "", r.Offset, "its old value has a reference of type %v", elf.R_X86_64(r.Type))
		}
		off := r.Offset - m.Offset
		in := w.bytes[off : off+relocations[r.Type]]
		s, err := h.Solve(in, r.Addend, addr+r.Offset)
		if err != nil || h.PCRel && l.image.IsOffset(s) {
			return w, refuse(CodeInitials, m.Name, "", r.Offset, "its old value is not known before the kernel runs")
		}
		if h.PCRel || !l.image.IsMapped(s) {
			continue // the same wherever the kernel is
		}
		to, _, err := l.reach(m.Name, s)
		if err != nil {
			return w, err
		}
		clear(in)
		w.fields = append(w.fields, field{off, r.Type, to, r.Addend})
	}
	return w, nil
}

// newWord is the value of post, and says whether it leads to the module.
func (l *linker) newWord(u *extract.InitialUpdate, m *extract.InitialMember, s *setting) (w word, err error) {
	copy(w.bytes[:], u.New[m.Offset:m.Offset+m.Size])
	for _, r := range u.Relas {
		if r.Offset < m.Offset || r.Offset >= m.Offset+m.Size {
			continue
		}
		h, ok := amd64.HowtoOf(r.Type)
		if !ok || h.PCRel || relocations[r.Type] == 0 {
			return w, refuse(CodeInitials, m.Name, "", r.Offset, "its new value has a reference of type %v", elf.R_X86_64(r.Type))
		}
		t := l.Syms[r.Sym].Final()
		l.pointer(m.Name, &r, t)
		if !l.external[r.Sym] || l.Syms[r.Sym].From != nil {
			s.Pins = true
		}
		w.fields = append(w.fields, field{r.Offset - m.Offset, r.Type, t, r.Addend})
	}
	return w, nil
}

// settingRows writes a table of settings, of the kernel itself or of a module.
func (b *builder) settingRows(o *kobject, name string, list []setting) klink.Table {
	t := b.code.AddTable(b.Data(), name, "setting", len(list)+1)
	for i := range list {
		s := &list[i]
		b.place(o, &t, i, "at", s.place)
		t.Refer(i, "name", b.Literal(s.Name))
		b.word(o, t.Section, t.Offset(i, "old"), &s.old)
		b.word(o, t.Section, t.Offset(i, "new"), &s.new)
		t.Put(i, "size", byte(s.Size))
		if s.readOnly {
			t.Put(i, "read_only", 1)
		}
	}
	return t
}

func (b *builder) word(o *kobject, d *ko.Section, at uint64, w *word) {
	copy(d.Data[at:], w.bytes[:])
	for _, f := range w.fields {
		if f.to.Part > 0 {
			o.fixups = append(o.fixups, fixup{sec: d, off: at + f.off, size: relocations[f.typ], to: f.to, addend: f.addend})
			continue
		}
		d.AddRela(at+f.off, elf.R_X86_64(f.typ), f.to.Symbol, f.to.Addend+f.addend)
	}
}

// planInitials has callbacks set the members, and undo it.
func (b *builder) planInitials() {
	any := len(b.settings) > 0
	for _, o := range b.objects {
		any = any || len(o.settings) > 0
	}
	if any {
		b.settingRows(nil, "initials", b.settings)
		b.code.Add("initials", "", nil)
	}
}
