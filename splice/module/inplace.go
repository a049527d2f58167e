package module

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// Constants that are overwritten in place (elfdiff.Options.InPlace): what differs is
// written when the transition of livepatch is over, while all other processors stand
// still, and what stood there, which init has saved, before it is undone. Only what
// differs is written, in aligned words: who reads one finds the old or the new. When another update
// replaces this one, what was written stays: where it leads to what is part of the
// module, that is pinned.

// inPlaceUnit is the unit of what is written, bytes; inPlaceMost bounds a row, which
// must not cross more than one page (text_poke of arch/x86/kernel/alternative.c).
const (
	inPlaceUnit = 8
	inPlaceMost = 256
)

// Data is a constant that the module overwrites where it is.
type Data struct {
	Name   string `json:"name"`
	Addr   uint64 `json:"addr"`   // link address; in a module one that was made up
	Size   uint64 `json:"size"`   // bytes that are verified, but for references in them
	Module string `json:"module"` // that it is in, "" for the kernel itself
}

// key is how .modinfo names it: with its module in front.
func (d *Data) key() string {
	if d.Module == "" {
		return d.Name
	}
	return d.Module + ":" + d.Name
}

// constants are those that are overwritten, and the rows for those of the kernel itself.
type constants struct {
	list []Data
	rows dataRows
}

// dataRows save, write and restore constants.
type dataRows struct{ saves, writes, restores []copied }

// overwrites plans the constants that are overwritten.
func (l *linker) overwrites() {
	for i := range l.carried.InPlace {
		u := &l.carried.InPlace[i]
		if l.image.IsLive() {
			l.refused.add(refuse(CodeNeedsImage, u.Name, l.Object, 0, "what the constant was linked as is not known"))
			continue
		}
		if err := l.overwriteConst(u); err != nil {
			l.refused.add(err)
		}
	}
}

// constant returns where a constant is: as run-pre matching says, or, when nothing
// that was matched refers to it, at the only symbol of its name, where its content
// has to stand.
func (l *linker) constant(u *extract.DataUpdate) (uint64, error) {
	addr, ok := l.pair.Match.AtomAddr(u.Pre)
	if !ok {
		list := l.part.Image.Lookup(u.Name)
		ok = len(list) == 1 && !strings.Contains(u.Name, ".") && l.linkedAs(u.Pre, u.Old, list[0].Addr)
		if !ok {
			return 0, refuse(splice.CodeNotLocated, u.Name, l.Object, 0, "run-pre matching does not say where it is, and its name does not either")
		}
		addr = list[0].Addr
	}
	if l.isGone(addr) {
		return 0, refuse(CodeInit, u.Name, l.obj.name(), addr, "it is freed once the kernel, or the module, has started")
	}
	return addr, nil
}

// isGone reports whether something is freed after the start.
func (l *linker) isGone(addr uint64) bool {
	if l.obj.target == nil {
		return l.image.IsInit(addr)
	}
	at, ok := l.obj.target.at(addr)
	return ok && l.obj.target.mod.Parts[at.Part-firstPart].Field < 0
}

// linkedAs reports whether the image holds the content of an object of pre at an address,
// but for its references.
func (l *linker) linkedAs(pre object.AtomID, content []byte, addr uint64) bool {
	b := make([]byte, len(content))
	if l.part.Image.ReadAddr(b, addr) != nil {
		return false
	}
	mask := l.without(pre, len(content))
	for i := range b {
		if (b[i]^content[i])&mask[i] != 0 {
			return false
		}
	}
	return true
}

// without returns a mask of the bytes of an object of pre that hold no reference.
func (l *linker) without(pre object.AtomID, size int) []byte {
	mask := bytes.Repeat([]byte{0xff}, size)
	for _, r := range l.pair.Diff.Pre.Atom(pre).Refs {
		clear(mask[min(r.Offset, uint64(len(mask))):min(r.Offset+relocations[r.Type], uint64(len(mask)))])
	}
	return mask
}

// heldInKernel prepares the check of a constant of the kernel itself.
func (l *linker) heldInKernel(u *extract.DataUpdate, addr uint64) (check, error) {
	where, err := l.at(u.Name, addr)
	if err != nil {
		return check{}, err
	}
	c := newCheck(u.Name, where, u.Old)
	c.mask = l.without(u.Pre, len(u.Old))
	l.expectAddresses(&c, u, addr)
	return c, nil
}

// overwriteConst checks one, and notes the rows that save, write and restore it.
func (l *linker) overwriteConst(u *extract.DataUpdate) error {
	addr, err := l.constant(u)
	if err != nil {
		return err
	}
	c, rows := check{}, &l.constants.rows
	if l.obj.target == nil {
		c, err = l.heldInKernel(u, addr)
	} else {
		c, err = l.heldInModule(u.Name, addr, uint64(len(u.Old)))
		if err == nil && slices.ContainsFunc(stretches(u, l.pair.Diff.Pre.Atom(u.Pre).Refs), func(s [2]uint64) bool { return bytes.Contains(c.mask[s[0]:s[1]], []byte{0}) }) {
			err = refuse(CodeInPlace, u.Name, l.obj.name(), addr, "what it holds is not known before the module is loaded")
		}
		rows = &l.obj.rows
	}
	if err != nil {
		return err
	}
	l.obj.checks = append(l.obj.checks, c)
	r, d := l.Rodata(), l.Data()
	fresh, saved := r.Append(inPlaceUnit, u.New), d.Append(inPlaceUnit, make([]byte, len(u.New)))
	l.code.Define("new_"+u.Name, elf.STT_OBJECT, r, fresh, uint64(len(u.New)))
	l.code.Define("old_"+u.Name, elf.STT_OBJECT, d, saved, uint64(len(u.New)))
	for _, rela := range u.Relas {
		if _, ok := relocations[rela.Type]; !ok {
			l.refused.add(refuse(CodeRelocation, u.Name, "", rela.Offset, "the module loader does not apply %v", elf.R_X86_64(rela.Type)))
			continue
		}
		t := l.Syms[rela.Sym].Final()
		l.pointer(u.Name, &rela, t)
		if t.Part > 0 {
			l.late(r, fresh+rela.Offset, &rela, t)
		} else {
			r.AddRela(fresh+rela.Offset, elf.R_X86_64(rela.Type), t.Symbol, t.Addend+rela.Addend)
		}
	}
	l.constants.list = append(l.constants.list, Data{u.Name, addr, uint64(len(u.New)), l.obj.name()})
	for _, s := range stretches(u, l.pair.Diff.Pre.Atom(u.Pre).Refs) {
		run := c.at
		run.Addend += int64(s[0])
		keep := ko.Dest{Symbol: d.Anchor, Addend: int64(saved + s[0])}
		rows.saves = append(rows.saves, copied{keep, run, s[1] - s[0]})
		rows.writes = append(rows.writes, copied{run, ko.Dest{Symbol: r.Anchor, Addend: int64(fresh + s[0])}, s[1] - s[0]})
		rows.restores = append(rows.restores, copied{run, keep, s[1] - s[0]})
	}
	return nil
}

// expectAddresses adds the addresses that a constant holds in the image to its check:
// what another update has written there is not what is expected.
func (l *linker) expectAddresses(c *check, u *extract.DataUpdate, addr uint64) {
	b, err := l.image.Read(addr, uint64(len(u.Old)))
	if err != nil {
		return // it has no bytes in the file
	}
	for _, r := range l.pair.Diff.Pre.Atom(u.Pre).Refs {
		if relocations[r.Type] != 8 || r.Type != uint32(elf.R_X86_64_64) || r.Offset+8 > uint64(len(b)) {
			continue
		}
		v := binary.LittleEndian.Uint64(b[r.Offset:])
		if !l.image.IsMapped(v) || l.image.IsInit(v) {
			continue
		}
		if to, _, err := l.reach(u.Name, v); err == nil {
			for i := range uint64(8) {
				c.mask[r.Offset+i] = 0xff
			}
			c.fields = append(c.fields, field{r.Offset, r.Type, to, 0})
		}
	}
}

// stretches returns the parts of a constant that differ, or may: half-open. Old are its references
// before: where one goes, what it was is in no byte of the file.
func stretches(u *extract.DataUpdate, old []object.Ref) [][2]uint64 {
	var out [][2]uint64
	size := uint64(len(u.New))
	for lo := uint64(0); lo < size; lo += inPlaceUnit {
		hi := min(lo+inPlaceUnit, size)
		if bytes.Equal(u.Old[lo:hi], u.New[lo:hi]) && !touched(u.Relas, lo, hi) && !refers(old, lo, hi) {
			continue
		}
		if n := len(out); n > 0 && out[n-1][1] == lo && hi-out[n-1][0] <= inPlaceMost {
			out[n-1][1] = hi
			continue
		}
		out = append(out, [2]uint64{lo, hi})
	}
	return out
}

func touched(relas []elfobj.Rela, lo, hi uint64) bool {
	for _, r := range relas {
		if r.Offset < hi && r.Offset+relocations[r.Type] > lo {
			return true
		}
	}
	return false
}

func refers(refs []object.Ref, lo, hi uint64) bool {
	return slices.ContainsFunc(refs, func(r object.Ref) bool { return r.Offset < hi && r.Offset+relocations[r.Type] > lo })
}

// planOverwrites has callbacks write and restore.
func (b *builder) planOverwrites() {
	any := len(b.constants.rows.writes) > 0
	for _, o := range b.objects {
		any = any || len(o.rows.writes) > 0
	}
	if !any {
		return
	}
	b.copyTable("writes", b.constants.rows.writes)
	b.copyTable("restores", b.constants.rows.restores)
	b.code.Add("constants", "", nil)
	b.copies = append(b.copies, b.constants.rows.saves...)
}

// A copied is a stretch of memory that can't be written to, and what init copies
// there, once all has been proven: bytes that are not known before.
type copied struct {
	to   ko.Dest
	from ko.Dest
	size uint64
}

// immediates notes the counts of shifts and the masks in carried code.
func (l *linker) immediates() {
	for _, s := range l.carried.Immediates {
		h := l.Homes[s.Section]
		if h.Section == nil {
			continue // it was refused
		}
		from := l.Syms[s.Variable].Final()
		if from.Part > 0 {
			l.refused.add(refuse(CodeModuleRef, "", h.Section.Name, h.Offset+s.Offset, "a constant of its code is a variable in %s", l.obj.target.Name()))
			continue
		}
		l.copies = append(l.copies, copied{ko.Dest{Symbol: h.Section.Anchor, Addend: int64(h.Offset + s.Offset)}, from, s.Size})
	}
}

// copyTable writes a table of copies.
func (b *builder) copyTable(name string, list []copied) {
	t := b.code.AddTable(b.Rodata(), name, "copy", len(list)+1)
	for i := range list {
		t.Refer(i, "to", list[i].to)
		t.Refer(i, "from", list[i].from)
		t.Put64(i, "size", list[i].size)
	}
}

// copyCode has init make the copies.
func (b *builder) copyCode() {
	if len(b.copies) > 0 || b.code.Has("constants") {
		b.copyTable("copies", b.copies)
		b.code.Add("copy", "", nil)
	}
}
