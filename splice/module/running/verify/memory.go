package verify

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
)

// functions takes what matching says of the code.
func (u *updating) functions() {
	for i := range u.match.Functions {
		f := &u.match.Functions[i]
		section := u.object.File.Sections[u.object.Atom(f.Atom).Section]
		switch {
		case strings.HasPrefix(section.Name, kerneltab.Init), f.Freed:
			continue // it is freed once it has run
		case f.Verdict == reloc.Matched:
			u.Bytes += f.Size
			for _, p := range f.Patches {
				u.wrong(f.Name, p.Address, "somebody has changed it: %s", p.Kind)
			}
		case f.Name == "" && u.stands(f):
			u.Bytes += u.object.Atom(f.Atom).Size
		case f.Mismatch != nil:
			u.wrong(f.Name, f.Address, "%v", f.Mismatch)
		default:
			u.wrong(f.Name, f.Address, "its code is not there: %s", f.Verdict)
		}
	}
}

// references checks that what the file has undefined is at a symbol of that name.
func (u *updating) references() {
	for i := range u.match.Symbols {
		v := &u.match.Symbols[i]
		if v.Symbol == 0 || v.Has&reloc.UseAddress == 0 {
			continue
		}
		s := u.object.Symbol(v.Symbol)
		if s.IsDefined() || s.Name == "" {
			continue
		}
		if !slices.Contains(u.addresses(s.Name), v.Address) {
			u.wrong(s.Name, v.Address, "the code refers to it, and it is not there")
		}
	}
}

// addresses returns where the symbols are that a name means: also one that livepatch resolves
// (Documentation/livepatch/module-elf-format.rst).
func (u *updating) addresses(name string) (out []uint64) {
	if rest, ok := strings.CutPrefix(name, ".klp.sym."); ok {
		_, rest, _ = strings.Cut(rest, ".")
		name = rest
		if i := strings.LastIndexByte(rest, ','); i >= 0 {
			name = rest[:i]
		}
	}
	for _, s := range u.img.Lookup(name) {
		out = append(out, s.Addr)
	}
	return out
}

// readOnly compares the read-only data of the file with the memory of the module.
func (u *updating) readOnly() error {
	f := u.object.File
	for i, s := range f.Sections {
		const flags = elf.SHF_ALLOC | elf.SHF_WRITE | elf.SHF_EXECINSTR
		if s.Type != elf.SHT_PROGBITS || s.Flags&flags != elf.SHF_ALLOC || !strings.HasPrefix(s.Name, kerneltab.Rodata) {
			continue
		}
		base, ok := u.base(elfobj.SectionIndex(i))
		if !ok {
			continue // what code refers to was matched
		}
		if err := u.compare(elfobj.SectionIndex(i), base); err != nil {
			return err
		}
	}
	return nil
}

// base returns where a section of the file is in memory, by a symbol in it.
func (u *updating) base(i elfobj.SectionIndex) (uint64, bool) {
	at, ok := u.bases[i]
	if !ok {
		at = u.findBase(i)
		u.bases[i] = at
	}
	return at, at != 0
}

// findBase returns where a section is, 0 when no symbol tells.
func (u *updating) findBase(i elfobj.SectionIndex) uint64 {
	for _, s := range u.object.Symbols() {
		if s.Section != i || s.Name == "" || s.Type() == elf.STT_SECTION {
			continue
		}
		var found []uint64
		for _, x := range u.img.Lookup(s.Name) {
			if x.Module == u.module {
				found = append(found, x.Addr)
			}
		}
		if len(found) == 1 && found[0] >= s.Value {
			return found[0] - s.Value
		}
	}
	return 0
}

// compare compares one section, with the relocations that the loader applies.
func (u *updating) compare(i elfobj.SectionIndex, base uint64) error {
	s := u.object.File.Sections[i]
	want, err := s.Data()
	if err != nil {
		return err
	}
	want = bytes.Clone(want)
	is := make([]byte, len(want))
	if err := u.img.ReadAddr(is, base); err != nil {
		u.wrong(s.Name, base, "it can't be read: %v", err)
		return nil
	}
	known, err := u.relocate(i, base, want)
	if err != nil {
		return err
	}
	for k := range want {
		if want[k] == is[k] || !known[k] {
			continue
		}
		u.wrong(s.Name, base+uint64(k), "the file has % x, run % x", want[k:min(k+8, len(want))], is[k:min(k+8, len(is))])
		break
	}
	u.Bytes += uint64(len(want))
	return nil
}

// relocate fills in the fields of a section, and returns which bytes are known then.
func (u *updating) relocate(i elfobj.SectionIndex, base uint64, b []byte) ([]bool, error) {
	relas, err := u.object.File.Relas(i)
	if err != nil {
		return nil, err
	}
	known := slices.Repeat([]bool{true}, len(b))
	for _, r := range relas {
		size := uint64(amd64.FieldSize(r.Type))
		if r.Offset+size > uint64(len(b)) || r.Offset+size < r.Offset {
			return nil, fmt.Errorf("%s: a relocation at %#x is outside", u.object.File.Sections[i].Name, r.Offset)
		}
		v, ok := u.value(r.Sym)
		v += uint64(r.Addend)
		if h, is := amd64.HowtoOf(r.Type); is && h.PCRel {
			v -= base + r.Offset
		}
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], v)
		copy(b[r.Offset:r.Offset+size], word[:])
		for k := range size {
			known[r.Offset+k] = ok
		}
	}
	return known, nil
}

// value returns the address of a symbol of the file.
func (u *updating) value(i elfobj.SymbolIndex) (uint64, bool) {
	s := u.object.Symbol(i)
	switch {
	case s.Section == elfobj.SecAbs:
		return s.Value, true
	case s.IsDefined():
		base, ok := u.base(s.Section)
		return base + s.Value, ok
	}
	list := u.addresses(s.Name) // modules have what they refer to among their symbols, too
	if list = slices.Compact(list); len(list) != 1 {
		return 0, false
	}
	return list[0], true
}

// constants compares what the update has overwritten with what it has written there, and with
// what it has saved; of variables it can't be told.
func (u *updating) constants(names []string) {
	for _, text := range names {
		mod, name, ok := strings.Cut(text, ":")
		if !ok {
			mod, name = "", text
		}
		e := Entry{Function: name, Module: mod, By: "in place", State: Unknown, Why: "it is a variable, which may have changed since it was set"}
		fresh, saved := u.content("new_"+name), u.content("old_"+name)
		at := u.located(mod, name)
		if mod != "" && !u.loaded(mod) {
			e.State, e.Why = Waiting, "its module is not loaded"
		}
		if fresh == nil || saved == nil || len(at) != 1 {
			u.Entries = append(u.Entries, e)
			continue
		}
		e.Address = at[0].Addr
		is := make([]byte, len(fresh))
		switch err := u.img.ReadAddr(is, e.Address); {
		case err != nil:
			e.Why = fmt.Sprintf("it can't be read: %v", err)
		case bytes.Equal(is, fresh):
			e.State, e.Why = Proven, ""
		case bytes.Equal(is, saved):
			e.State, e.Why = Inactive, "it holds what it held before"
		default:
			e.State, e.Why = Differs, "it does not hold what the update writes there"
			for k := range is {
				if is[k] != fresh[k] {
					e.Why += fmt.Sprintf(": at +%#x % x, and not % x", k, is[k:min(k+8, len(is))], fresh[k:min(k+8, len(is))])
					break
				}
			}
		}
		u.Bytes += uint64(len(is))
		u.Entries = append(u.Entries, e)
	}
}

// located returns the symbols of a name in a module, "" for the kernel itself.
func (u *updating) located(module, name string) (out []image.Symbol) {
	for _, s := range u.img.Lookup(name) {
		if s.Module == 0 && module == "" || s.Module > 0 && u.img.Modules()[s.Module].Name == module {
			out = append(out, s)
		}
	}
	return out
}

// content returns what a variable of the module holds in memory, nil when that is not known.
func (u *updating) content(name string) []byte {
	s := u.symbol(name)
	if s == nil {
		return nil
	}
	base, ok := u.base(s.Section)
	const most = 1 << 20
	if !ok || s.Size == 0 || s.Size > most {
		return nil
	}
	b := make([]byte, s.Size)
	if u.img.ReadAddr(b, base+s.Value) != nil {
		return nil
	}
	return b
}

// symbol returns the symbol of the update's own data that has a name, which begins with that of the
// module.
func (u *updating) symbol(name string) *elfobj.Symbol {
	for i, s := range u.object.Symbols() {
		if s.Name == u.Name+"_"+name && s.Type() == elf.STT_OBJECT {
			return u.object.Symbol(elfobj.SymbolIndex(i))
		}
	}
	return nil
}
