package keyed_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice/module/internal/keyed"
)

// function is one with a static branch, and places behind it that tables tell of.
const function = `
	.section .text.f, "ax"
	.globl f
	.type f, @function
f:
start:	push %rbx
branch:	.byte 0x66, 0x90
behind:	test %edi, %edi
	je taken
locked:	lock incl (%rdi)
replaced: nop
	nop
held:	mov $0x12345678, %eax
	.fill 100, 1, 0x90
taken:	pop %rbx
end:	ret
	.size f, . - f
	.section __jump_table, "aw"
	.long branch - ., taken - .
	.quad key - .
`

// tables are such tables: names of labels tell where their entries lead.
const tables = `
	.section .orc_unwind_ip, "a"
	.long f - ., behind - ., replaced + 1 - ., end - .
	.section .orc_unwind, "a"
	.fill 24, 1, 0
	.section .smp_locks, "a"
	.long locked - .
	.section .text.g, "ax"
g:	jmp taken
	.section .rodata.pointers, "a"
	.quad taken
`

// assembled is the object of a text.
func assembled(t *testing.T, text string) *elfobj.Spec {
	t.Helper()
	testenv.Need(t, "as")
	dir := t.TempDir()
	source, object := filepath.Join(dir, "x.s"), filepath.Join(dir, "x.o")
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "as", source, "-o", object)
	return read(t, object)
}

// at is where a label is.
func at(t *testing.T, spec *elfobj.Spec, label string) keyed.Place {
	t.Helper()
	for i := range spec.Symbols {
		if s := &spec.Symbols[i]; s.Name == label {
			return keyed.Place{Section: s.Section, Offset: s.Value}
		}
	}
	t.Fatalf("no %s", label)
	return keyed.Place{}
}

// sectionOf finds a section by its name.
func sectionOf(t *testing.T, spec *elfobj.Spec, name string) elfobj.SectionIndex {
	t.Helper()
	for i := range spec.Sections {
		if spec.Sections[i].Name == name {
			return elfobj.SectionIndex(i)
		}
	}
	t.Fatalf("no %s", name)
	return 0
}

// TestTables has all tables lead to where their labels are afterwards.
func TestTables(t *testing.T) {
	spec := assembled(t, function+tables)
	replaced, held := at(t, spec, "replaced"), at(t, spec, "held")
	marks := &keyed.Marks{
		Whole:  []keyed.Place{replaced, {Section: replaced.Section, Offset: replaced.Offset + 1}},
		Fields: []keyed.Place{{Section: held.Section, Offset: held.Offset + 1}},
	}
	if failed := keyed.Branches(spec, sectionOf(t, spec, kerneltab.JumpTable), []uint64{0}, marks); len(failed) > 0 {
		t.Fatal(failed)
	}
	if behind := at(t, spec, "behind"); behind.Offset < 14 {
		t.Fatalf("nothing has moved: %+v", behind)
	}
	for _, c := range []struct {
		table string
		bias  uint64 // of a field that counts from the end of an instruction
		want  []string
		more  []uint64
	}{
		{kerneltab.ORCAddresses, 0, []string{"f", "behind", "replaced", "end"}, []uint64{0, 0, 1, 0}},
		{kerneltab.SMPLocks, 0, []string{"locked"}, []uint64{0}},
		{".text.g", 4, []string{"taken"}, []uint64{0}},
		{".rodata.pointers", 0, []string{"taken"}, []uint64{0}},
		{kerneltab.JumpTable, 0, []string{"branch", "taken"}, []uint64{0, 0}},
	} {
		var got, want []keyed.Place
		for i := range spec.Sections {
			s := &spec.Sections[i]
			if s.Type != elf.SHT_RELA || s.Info != uint32(sectionOf(t, spec, c.table)) {
				continue
			}
			for k, r := range s.Relas[:len(c.want)] {
				sym := &spec.Symbols[r.Sym]
				got = append(got, keyed.Place{Section: sym.Section, Offset: sym.Value + uint64(r.Addend) + c.bias})
				p := at(t, spec, c.want[k])
				p.Offset += c.more[k]
				want = append(want, p)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", c.table, got, want)
		}
	}
	if held = at(t, spec, "held"); marks.Fields[0].Offset != held.Offset+1 {
		t.Errorf("a field is at %#x, and its instruction at %#x", marks.Fields[0].Offset, held.Offset)
	}
	for i := range spec.Symbols {
		if s := &spec.Symbols[i]; s.Name == "f" && s.Size != uint64(len(spec.Sections[s.Section].Data)) {
			t.Errorf("f has %d bytes of %d", s.Size, len(spec.Sections[s.Section].Data))
		}
	}
}

// TestStays has branches that stay what they are, in an object that stays what it is.
func TestStays(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		entry            uint64
		whole            []string
	}{
		{"no entry", function, "form of one", 16, nil},
		{"no branch", strings.Replace(function, ".byte 0x66, 0x90", "mov %eax, %ebx", 1), "no branch", 0, nil},
		{"no code", strings.Replace(function, "taken:", ".byte 0x06\ntaken:", 1), "decode", 0, nil},
		{"inside an instruction", strings.Replace(function, "je taken", "je held + 1", 1), "into an instruction", 0, nil},
		{"a table that counts from elsewhere", function + ".section .rodata, \"a\"\n0: .long taken - 0b, taken - 0b\n", "nothing tells", 0, nil},
		{"bytes that are replaced", strings.Replace(function, "locked:", ".fill 20, 1, 0x90\nshort: jmp start\nlocked:", 1), "", 0, nil},
		{"bytes that are replaced, and longer", strings.Replace(function, "locked:", ".fill 108, 1, 0x90\nshort: jmp start\nlocked:", 1), "longer", 0, []string{"short"}},
		{"a loop that is too long", strings.Replace(function, "locked:", ".fill 108, 1, 0x90\nloop start\nlocked:", 1), "longer", 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := assembled(t, c.text)
			before := assembled(t, c.text)
			marks := &keyed.Marks{}
			for _, label := range c.whole {
				marks.Whole = append(marks.Whole, at(t, spec, label))
			}
			failed := keyed.Branches(spec, sectionOf(t, spec, kerneltab.JumpTable), []uint64{c.entry}, marks)
			if c.want == "" {
				if len(failed) > 0 {
					t.Error(failed)
				}
				return
			}
			if err := failed[c.entry]; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if !reflect.DeepEqual(spec.Sections, before.Sections) || !reflect.DeepEqual(spec.Symbols, before.Symbols) {
				t.Error("the object has changed")
			}
		})
	}
}
