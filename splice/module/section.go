package module

import (
	"debug/elf"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// A section of the module, as it grows.
type section struct {
	name   string
	typ    elf.SectionType
	flags  elf.SectionFlag
	align  uint64
	ent    uint64
	data   []byte
	size   uint64 // of .bss
	relas  []elfobj.Rela
	index  elfobj.SectionIndex
	anchor elfobj.SymbolIndex // its section symbol
}

// len returns where the next byte goes.
func (s *section) len() uint64 { return max(uint64(len(s.data)), s.size) }

// pad aligns the end. Code is filled with int3, which nothing runs into.
func (s *section) pad(align uint64) {
	s.align = max(s.align, align)
	if align == 0 {
		return
	}
	n := (align - s.len()%align) % align
	if s.typ == elf.SHT_NOBITS {
		s.size += n
		return
	}
	fill := byte(0)
	if s.flags&elf.SHF_EXECINSTR != 0 {
		fill = 0xcc
	}
	for range n {
		s.data = append(s.data, fill)
	}
}

// append adds aligned bytes, and returns where they went.
func (s *section) append(align uint64, b []byte) uint64 {
	s.pad(align)
	at := s.len()
	s.data = append(s.data, b...)
	return at
}

// rela adds a relocation.
func (s *section) rela(off uint64, typ elf.R_X86_64, sym elfobj.SymbolIndex, addend int64) {
	s.relas = append(s.relas, elfobj.Rela{Offset: off, Type: uint32(typ), Sym: sym, Addend: addend})
}

const (
	flagsA  = elf.SHF_ALLOC
	flagsAX = elf.SHF_ALLOC | elf.SHF_EXECINSTR
	flagsWA = elf.SHF_ALLOC | elf.SHF_WRITE
)

// A place says where a section of an object goes in the module.
type place struct {
	name  string // of the section, or the beginning of it when it ends in '*'
	to    string
	flags elf.SectionFlag
}

// places lists all that a module can carry. The loader finds tables by their
// exact names (find_module_sections in kernel/module/main.c, module_finalize in
// arch/x86/kernel/module.c of Linux 6.1), each once; code must be in .text for
// lock prefixes to be handled. Tables that are sorted or flagged in place stay
// writable, as kbuild has them.
var places = []place{
	{".text", ".text", flagsAX},
	{".text.*", ".text", flagsAX},
	{".sched.text*", ".text", flagsAX}, // what profiles and wait channels leave out
	{".ref.text*", ".text", flagsAX},   // only builds look at it
	{".meminit.text*", ".text", flagsAX},
	{".cpuidle.text*", ".text", flagsAX},
	{".spinlock.text*", ".text", flagsAX},
	{".irqentry.text*", ".text", flagsAX},
	{".softirqentry.text*", ".text", flagsAX},
	{".altinstr_aux", ".text", flagsAX},
	{".rodata", ".rodata", flagsA},
	{".rodata.*", ".rodata", flagsA},
	{typeIDs + "*", ".rodata", flagsA},
	{".data..percpu*", ".data..percpu", flagsWA}, // of new variables: the loader makes room for each processor
	{".data", ".data", flagsWA},
	{".data.*", ".data", flagsWA},
	{".bss", ".bss", flagsWA},
	{".bss.*", ".bss", flagsWA},
	{"__mcount_loc", "__mcount_loc", flagsA},
	{".altinstructions", ".altinstructions", flagsA},
	{".altinstr_replacement", ".altinstr_replacement", flagsAX},
	{".parainstructions", ".parainstructions", flagsA},
	{".smp_locks", ".smp_locks", flagsA},
	{".retpoline_sites", ".retpoline_sites", flagsA},
	{".return_sites", ".return_sites", flagsA},
	{".call_sites", ".call_sites", flagsA},
	{".static_call_sites", ".static_call_sites", flagsWA},
	{"__jump_table", "__jump_table", flagsWA},
	{"__bug_table", "__bug_table", flagsWA},
	{"__ex_table", "__ex_table", flagsA},
	{".orc_unwind_ip", ".orc_unwind_ip", flagsA},
	{".orc_unwind", ".orc_unwind", flagsA},
	{"__dyndbg", "__dyndbg", flagsWA},
	{"__dyndbg.*", "__dyndbg", flagsWA},
}

// placeOf returns the row for a section, or nil when a module can't carry it.
func placeOf(name string) *place {
	for i := range places {
		p := &places[i]
		if prefix, ok := strings.CutSuffix(p.name, "*"); name == p.name || ok && strings.HasPrefix(name, prefix) {
			return p
		}
	}
	return nil
}

// section returns the module's section of a name, and makes it if need be.
func (b *builder) section(name string, typ elf.SectionType, flags elf.SectionFlag, align uint64) *section {
	if s := b.secs[name]; s != nil {
		s.align = max(s.align, align)
		return s
	}
	s := &section{name: name, typ: typ, flags: flags, align: max(align, 1)}
	s.index = b.out.AddSection(elfobj.SectionHeader{Name: name, Type: typ, Flags: flags}, nil)
	s.anchor = b.out.AddSymbol(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: s.index})
	b.secs[name] = s
	b.order = append(b.order, s)
	return s
}

func (b *builder) text() *section   { return b.section(".text", elf.SHT_PROGBITS, flagsAX, 16) }
func (b *builder) rodata() *section { return b.section(".rodata", elf.SHT_PROGBITS, flagsA, 8) }
func (b *builder) data() *section   { return b.section(".data", elf.SHT_PROGBITS, flagsWA, 8) }

// string puts a string into read-only data, once.
func (b *builder) string(s string) (*section, uint64) {
	r := b.rodata()
	at, ok := b.strings[s]
	if !ok {
		at = r.append(1, append([]byte(s), 0))
		b.strings[s] = at
	}
	return r, at
}

// flush hands the sections over to the ELF builder.
func (b *builder) flush() {
	for _, s := range b.order {
		out := b.out.Section(s.index)
		out.Addralign, out.Entsize = s.align, s.ent
		if s.typ == elf.SHT_NOBITS {
			out.Size = s.size
		} else {
			out.Data, out.Size = s.data, uint64(len(s.data))
		}
		if len(s.relas) > 0 {
			b.out.AddRela(s.index, s.relas...)
		}
	}
}
