package kernel

import (
	"debug/elf"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// TestAfterInit: which sections become read-only is the kernel's own list, where it has one.
func TestAfterInit(t *testing.T) {
	const wa = elf.SHF_ALLOC | elf.SHF_WRITE
	section := func(i int, name string) *elfobj.Section {
		return &elfobj.Section{Index: elfobj.SectionIndex(i), SectionHeader: elfobj.SectionHeader{Name: name, Type: elf.SHT_PROGBITS, Flags: wa, Size: 16, Addralign: 8}}
	}
	names := []string{"", ".data", "__jump_table", ".static_call_sites", ".data..ro_after_init"}
	for _, c := range []struct {
		name string
		list []string
		want map[string]bool
	}{
		{"no list", nil, map[string]bool{"__jump_table": true, ".data..ro_after_init": true}},
		{"6.12", []string{".data..ro_after_init", "__jump_table"}, map[string]bool{"__jump_table": true, ".data..ro_after_init": true}},
		{"7.3", []string{".data..ro_after_init", "__jump_table", ".static_call_sites"}, map[string]bool{"__jump_table": true, ".data..ro_after_init": true, ".static_call_sites": true}},
	} {
		l := fakeLayout(true)
		if c.list != nil {
			l[afterInit] = Struct{Offsets: map[string]uint64{}}
			for i, name := range c.list {
				l[afterInit].Offsets[name] = uint64(i)
			}
		}
		m := &Module{File: &elfobj.File{Sections: []*elfobj.Section{{SectionHeader: elfobj.SectionHeader{Type: elf.SHT_NULL}}}}}
		for i, name := range names[1:] {
			m.File.Sections = append(m.File.Sections, section(i+1, name))
		}
		if err := m.lay(l); err != nil {
			t.Fatal(err)
		}
		for i, name := range names[1:] {
			if part := m.Parts[m.places[i+1].part].Name; (part == "ro_after_init") != c.want[name] {
				t.Errorf("%s: %s is in %s", c.name, name, part)
			}
		}
	}
}
