package elfobj

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// mistakes are calls of a Builder that make no object.
var mistakes = []struct {
	name string
	make func(b *Builder)
	want string
}{
	{"type", func(b *Builder) { b.Header.Type = elf.ET_EXEC }, "ET_EXEC for EM_NONE; only relocatable"},
	{"machine", func(b *Builder) { b.Header.Machine = elf.EM_AARCH64 }, "only relocatable objects for x86-64"},
	{"relocation of nothing", func(b *Builder) { b.AddRela(9, Rela{}) }, "relocations apply to section 9 of 2"},
	{"relocation symbol", func(b *Builder) { b.AddRela(1, Rela{}, Rela{Sym: 9}) }, "section .rela.text: relocation 1: symbol 9 of 2"},
	{"relocation section of nothing", func(b *Builder) { b.AddRelaSection(SectionHeader{Name: ".klp"}, 0, nil) }, "section .klp: relocations apply to section 0"},
	{"relocation section's target", func(b *Builder) { b.AddRelaSection(SectionHeader{Name: ".klp"}, 99, nil) }, "section .klp: relocations apply to section 99 of"},
	{"relocation bytes", func(b *Builder) { b.AddSection(SectionHeader{Name: ".rela", Type: elf.SHT_RELA}, []byte{1}) }, "section .rela: 0x1 bytes of data in a section of type SHT_RELA"},
	{"other relocations", func(b *Builder) {
		b.Section(1).Relas = []Rela{{}}
	}, "section .text: relocations in a section of type SHT_PROGBITS"},
	{"alignment", func(b *Builder) { b.AddSection(SectionHeader{Name: ".x", Type: elf.SHT_PROGBITS, Addralign: 24}, nil) }, "section .x: alignment 0x18 is not a power of two"},
	{"bytes in .bss", func(b *Builder) { b.AddSection(SectionHeader{Type: elf.SHT_NOBITS}, []byte{1}) }, "section #2: 0x1 bytes of data in a section of type SHT_NOBITS"},
	{"symbol section", func(b *Builder) { b.AddSymbol(Symbol{Name: "s", Section: 77}) }, "symbol s: section 0x4d of 5"},
	{"reserved index", func(b *Builder) { b.AddSymbol(Symbol{Section: 0xffffffff, Info: 0x10}) }, "symbol #2: section 0xffffffff of 5"},
	{"symbol name", func(b *Builder) { b.AddSymbol(Symbol{Name: "a\x00b", Info: 0x10}) }, "symbol a\x00b: name with a NUL byte"},
	{"section name", func(b *Builder) { b.AddSection(SectionHeader{Name: "a\x00b", Type: elf.SHT_NOTE}, nil) }, "name with a NUL byte"},
	{"group signature", func(b *Builder) { b.AddGroup(9, 0) }, "section .group: signature is symbol 9 of 2"},
	{"group member", func(b *Builder) { b.AddMember(b.AddGroup(1, 0), 9) }, "section 9 can't be a member of group 2"},
	{"member before group", func(b *Builder) { b.AddMember(b.AddGroup(1, 0), 1) }, "members come after their group"},
	{"member of no group", func(b *Builder) { b.AddMember(1, 1) }, "section 1 is not a group"},
	{"member twice", func(b *Builder) {
		g := b.AddGroup(1, 0)
		s := b.AddSection(SectionHeader{Name: ".x", Type: elf.SHT_NOTE}, nil)
		b.AddMember(g, s, s)
	}, "section .x is a member of group 2 already"},
}

func TestMistakes(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			var b Builder
			b.AddSection(SectionHeader{Name: ".text", Type: elf.SHT_PROGBITS}, nil)
			b.AddSymbol(Symbol{Name: "f", Section: 1})
			m.make(&b)
			n, err := b.WriteTo(io.Discard)
			var se *SpecError
			if n != 0 || !errors.As(err, &se) || !strings.Contains(err.Error(), m.want) {
				t.Errorf("got %d, %v\nwant %s", n, err, m.want)
			}
		})
	}
}

// TestRoles gives a Spec whose tables are not where it says.
func TestRoles(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Symbols: make([]Symbol, 2)}, "symbols without sections"},
		{Spec{Sections: make([]SpecSection, 1), Symbols: make([]Symbol, 1)}, "no section is given for the symbol table"},
		{Spec{Sections: make([]SpecSection, 1), Symtab: 1}, "the symbol table is section 1 of 1"},
		{Spec{Sections: []SpecSection{{}, {SectionHeader: SectionHeader{Name: "x"}}}}, "no section is given for the section name table"},
		{Spec{Sections: []SpecSection{{SectionHeader: SectionHeader{Type: elf.SHT_NOTE}}}}, "section #0: section 0 is of type SHT_NOTE"},
		{Spec{Sections: make([]SpecSection, 2), Shstrtab: 1}, "section #1: the section name table is of type SHT_NULL"},
	} {
		if _, err := c.spec.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestShareTails makes a string table in which every name is found, and tails
// are stored once.
func TestShareTails(t *testing.T) {
	names := []string{".text", ".rela.text", "", "text", "data", ".data", "a", "x.text", "ta", ".text"}
	for _, seed := range []string{"", "\x00old\x00", "odd\x00"} {
		for _, share := range []bool{false, true} {
			w := stringWriter{seed: []byte(seed)}
			all := slices.Clone(names)
			if seed != "" {
				table := strtab{data: w.seed}
				old, _ := table.at(uint64(strings.Index(seed, "o")))
				all = append(all, old)
			}
			for _, n := range all {
				w.add(n)
			}
			w.finish(share)
			table := strtab{data: w.table}
			for _, n := range all {
				if got, ok := table.at(uint64(w.offset(n))); !ok || got != n {
					t.Errorf("share %v, seed %q: %q reads as %q", share, seed, n, got)
				}
			}
			if share && !bytes.HasSuffix(w.table, []byte("x.text\x00.rela.text\x00.data\x00")) {
				t.Errorf("table %q", w.table)
			}
			if !bytes.HasPrefix(w.table, []byte(seed)) || bytes.Count(w.table, []byte("old")) > 1 {
				t.Errorf("seed %q is not kept in %q", seed, w.table)
			}
		}
	}
}

// TestLongStrings looks up strings longer than a block, at its borders.
func TestLongStrings(t *testing.T) {
	var data []byte
	var want []string
	for _, n := range []int{0, 1, strBlock - 1, strBlock, strBlock + 1, 3*strBlock - 2, 5} {
		want = append(want, strings.Repeat("s", n))
		data = append(append(data, want[len(want)-1]...), 0)
	}
	data = append(data, bytes.Repeat([]byte("e"), 2*strBlock)...) // has no end
	table := strtab{data: data}
	off := 0
	for _, w := range want {
		for i := range w {
			if got, ok := table.at(uint64(off + i)); !ok || got != w[i:] {
				t.Fatalf("at %#x: %d bytes, %v", off+i, len(got), ok)
			}
		}
		off += len(w) + 1
	}
	for i := off; i <= len(data)+strBlock; i++ {
		if got, ok := table.at(uint64(i)); ok {
			t.Fatalf("at %#x: %q", i, got)
		}
	}
}
