package lint_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A plain is a livepatch module as a compiler and modpost make it, small enough to be written by hand.
type plain struct {
	elfobj.Builder
	sections map[string]elfobj.SectionIndex
	symbols  map[string]elfobj.SymbolIndex
}

func (p *plain) section(name string, typ elf.SectionType, flags elf.SectionFlag, data []byte) {
	p.sections[name] = p.AddSection(elfobj.SectionHeader{Name: name, Type: typ, Flags: flags, Addralign: 8}, data)
	p.symbols[name] = p.AddSymbol(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: p.sections[name]})
}

func (p *plain) symbol(name, section string, typ elf.SymType, at, size uint64) {
	p.symbols[name] = p.AddSymbol(elfobj.Symbol{Name: name, Section: p.sections[section], Value: at, Size: size, Info: elf.ST_INFO(elf.STB_GLOBAL, typ)})
}

func (p *plain) refer(section string, at uint64, typ elf.R_X86_64, symbol string, addend int64) {
	p.AddRela(p.sections[section], elfobj.Rela{Offset: at, Type: uint32(typ), Sym: p.symbols[symbol], Addend: addend})
}

// The functions of a plain module, and where they are.
var text = []byte{
	0xe8, 0, 0, 0, 0, // new: call __fentry__
	0x48, 0xc7, 0xc7, 0, 0, 0, 0, // mov $text,%rdi
	0x74, 0x01, // je +1
	0x90,             // nop
	0xe9, 0, 0, 0, 0, // jmp __x86_return_thunk
	0xe8, 0, 0, 0, 0, // init_module at 20: call __fentry__
	0x48, 0xc7, 0xc7, 0, 0, 0, 0, // mov $patch,%rdi
	0xe8, 0, 0, 0, 0, // call klp_enable_patch
	0xe9, 0, 0, 0, 0, // jmp __x86_return_thunk
}

const (
	alloc   = elf.SHF_ALLOC
	initAt  = 20
	objsAt  = 152 * 2
	patchAt = objsAt + 112*2
	seal    = 36 // bytes of the note
)

// newPlain makes one. With ours it has the marks of package module.
func newPlain(ours bool) *plain {
	p := &plain{sections: map[string]elfobj.SectionIndex{}, symbols: map[string]elfobj.SymbolIndex{}}
	p.section(kerneltab.Text, elf.SHT_PROGBITS, alloc|elf.SHF_EXECINSTR, bytes.Clone(text))
	p.section(kerneltab.Rodata, elf.SHT_PROGBITS, alloc, []byte("old_name\x00hello\x00"))
	p.section(kerneltab.Data, elf.SHT_PROGBITS, alloc|elf.SHF_WRITE, make([]byte, patchAt+200))
	this := make([]byte, 896)
	copy(this[24:], "fix")
	p.section(kerneltab.ThisModule, elf.SHT_PROGBITS, alloc|elf.SHF_WRITE, this)
	p.section(kerneltab.Modinfo, elf.SHT_PROGBITS, alloc, []byte("license=GPL\x00livepatch=Y\x00name=fix\x00retpoline=Y\x00vermagic=6.1.0 SMP\x00"))
	p.section(kerneltab.Versions, elf.SHT_PROGBITS, alloc, versions("__fentry__", "__x86_return_thunk", "klp_enable_patch", "module_layout"))
	p.section(kerneltab.McountLoc, elf.SHT_PROGBITS, alloc, make([]byte, 16))
	p.section(kerneltab.ReturnSites, elf.SHT_PROGBITS, alloc, make([]byte, 8))
	p.section(kerneltab.ORCAddresses, elf.SHT_PROGBITS, alloc, make([]byte, 8))
	p.section(kerneltab.ORCRows, elf.SHT_PROGBITS, alloc, make([]byte, 12))
	note := make([]byte, seal)
	binary.LittleEndian.PutUint32(note, 4)
	binary.LittleEndian.PutUint32(note[4:], 20)
	copy(note[12:], "GNU")
	p.section(kerneltab.BuildIDNote, elf.SHT_NOTE, alloc, note)
	if ours {
		p.section(kerneltab.UpdateNote, elf.SHT_NOTE, alloc, []byte("\x09\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00gosplice\x00\x00\x00\x00\x01\x02\x03\x04"))
	}
	p.symbol("new", kerneltab.Text, elf.STT_FUNC, 0, initAt)
	p.symbol("init_module", kerneltab.Text, elf.STT_FUNC, initAt, uint64(len(text)-initAt))
	for _, name := range []string{"__fentry__", "__x86_return_thunk", "klp_enable_patch"} {
		p.symbols[name] = p.AddSymbol(elfobj.Symbol{Name: name, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
	}
	p.references()
	return p
}

func (p *plain) references() {
	for _, r := range []struct {
		section string
		at      uint64
		typ     elf.R_X86_64
		symbol  string
		addend  int64
	}{
		{kerneltab.Text, 1, elf.R_X86_64_PLT32, "__fentry__", -4},
		{kerneltab.Text, 8, elf.R_X86_64_32S, kerneltab.Rodata, 9},
		{kerneltab.Text, 16, elf.R_X86_64_PLT32, "__x86_return_thunk", -4},
		{kerneltab.Text, 21, elf.R_X86_64_PLT32, "__fentry__", -4},
		{kerneltab.Text, 28, elf.R_X86_64_32S, kerneltab.Data, patchAt},
		{kerneltab.Text, 33, elf.R_X86_64_PLT32, "klp_enable_patch", -4},
		{kerneltab.Text, 38, elf.R_X86_64_PLT32, "__x86_return_thunk", -4},
		{kerneltab.Data, 0, elf.R_X86_64_64, kerneltab.Rodata, 0},
		{kerneltab.Data, 8, elf.R_X86_64_64, "new", 0},
		{kerneltab.Data, objsAt + 8, elf.R_X86_64_64, kerneltab.Data, 0},
		{kerneltab.Data, patchAt, elf.R_X86_64_64, kerneltab.ThisModule, 0},
		{kerneltab.Data, patchAt + 8, elf.R_X86_64_64, kerneltab.Data, objsAt},
		{kerneltab.ThisModule, 312, elf.R_X86_64_64, "init_module", 0},
		{kerneltab.McountLoc, 0, elf.R_X86_64_64, kerneltab.Text, 0},
		{kerneltab.McountLoc, 8, elf.R_X86_64_64, kerneltab.Text, initAt},
		{kerneltab.ReturnSites, 0, elf.R_X86_64_PC32, kerneltab.Text, 15},
		{kerneltab.ReturnSites, 4, elf.R_X86_64_PC32, kerneltab.Text, 37},
		{kerneltab.ORCAddresses, 0, elf.R_X86_64_PC32, kerneltab.Text, 0},
		{kerneltab.ORCAddresses, 4, elf.R_X86_64_PC32, kerneltab.Text, int64(len(text))},
	} {
		p.refer(r.section, r.at, r.typ, r.symbol, r.addend)
	}
}

func versions(names ...string) (b []byte) {
	for i, name := range names {
		row := make([]byte, 64)
		row[0] = byte(i + 1)
		copy(row[8:], name)
		b = append(b, row...)
	}
	return b
}

// bytes returns the file, with its digest where it has the marks of package module.
func (p *plain) bytes(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	if _, ours := p.sections[kerneltab.UpdateNote]; ours {
		f, err := elfobj.Parse(file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(file)
		for s := range f.SectionsNamed(kerneltab.BuildIDNote) {
			copy(file[s.Offset+16:], sum[:20])
		}
	}
	return file
}
