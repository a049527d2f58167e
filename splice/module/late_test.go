package module

import (
	"debug/elf"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// TestCopyFor has a literal of a module referred to by code, and by tables that the loader reads before
// the module is there: these get a copy, one for all.
func TestCopyFor(t *testing.T) {
	spec := &elfobj.Spec{
		Sections: []elfobj.SpecSection{
			{}, literal("name"), literal("other"), literal("with a reference"),
			{SectionHeader: elfobj.SectionHeader{Type: elf.SHT_RELA, Info: 3}},
		},
		Symbols: []elfobj.Symbol{{}, {Section: 1, Value: 1}, {Section: 2}, {Section: 3}},
	}
	f := ko.NewFile()
	l := &linker{
		Placing: ko.Placing{To: f, Spec: spec, Homes: make([]ko.Home, len(spec.Sections))},
		there:   map[elfobj.SectionIndex]ko.Dest{1: {Part: firstPart}, 2: {}, 3: {Part: firstPart}},
	}
	f.Section(".rodata", elf.SHT_PROGBITS, ko.Alloc, 1).Append(1, make([]byte, 10))
	table := f.Section("__dyndbg", elf.SHT_PROGBITS, ko.AllocWrite, 8)
	for _, c := range []struct {
		name   string
		in     *ko.Section
		symbol elfobj.SymbolIndex
		addend int64
		ok     bool
	}{
		{"code", f.Text(), 1, 0, false},
		{"table", table, 1, 11, true},
		{"table again", table, 1, 11, true},
		{"of the kernel itself", table, 2, 0, false},
		{"not alone", table, 3, 0, false},
	} {
		to, ok := l.copyFor(c.in, &elfobj.Rela{Sym: c.symbol})
		if ok != c.ok || to.Part != 0 || to.Addend != c.addend {
			t.Errorf("%s: %+v, %v", c.name, to, ok)
		}
	}
	if got := string(f.Rodata().Data[10:]); got != "name" {
		t.Errorf("%q is brought along", got)
	}
}

func literal(text string) elfobj.SpecSection {
	return elfobj.SpecSection{SectionHeader: elfobj.SectionHeader{
		Name: ".rodata.x", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC, Size: uint64(len(text)), Addralign: 1,
	}, Data: []byte(text)}
}
