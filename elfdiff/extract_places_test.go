package elfdiff

import (
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// extractOf compiles two versions, and opens what Extract makes of them.
func extractOf(t *testing.T, b build, name, pre, post string) (*Diff, *extract.Extracted, *object.Object) {
	t.Helper()
	testenv.Need(t, b.cc)
	dir := t.TempDir()
	d := mustCompare(t, b.compile(t, filepath.Join(dir, "pre"), name, pre), b.compile(t, filepath.Join(dir, "post"), name, post))
	x, err := Extract(d)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.o")
	if err := files.Write(out, x); err != nil {
		t.Fatal(err)
	}
	return d, x, mustOpen(t, out)
}

// TestReplacementStart demands that the symbol of a replacement leads to its code,
// not to an island of a short branch that stands before it.
func TestReplacementStart(t *testing.T) {
	const text = "\t.text\n\t.globl f\n\t.type f,@function\nf:\ttest %edi,%edi\n\tjs .Laway\n.Lback:\tadd %edi,%eax\n\tadd %edi,%eax\n\tret\n\t.size f,.-f\n"
	for _, name := range []string{"", "\t.type out,@function\nout:"} {
		side := func(n string) string { return text + name + "\n.Laway:\tadd $" + n + ",%eax\n\tjmp .Lback\n" }
		d, x, o := extractOf(t, build{cc: "gcc"}, "unit.s", side("5"), side("6"))
		if len(x.Replacements) != 1 {
			t.Fatalf("%d replacements:\n%s", len(x.Replacements), report(d))
		}
		s := o.Symbol(x.Replacements[0].New)
		data, err := o.File.Sections[s.Section].Data()
		if err != nil {
			t.Fatal(err)
		}
		if data[s.Value] != 0x83 {
			t.Errorf("%q starts at %#x with %#x, want add", name, s.Value, data[s.Value:])
		}
	}
}

const slotSource = `__asm__(".globl row1\n.set row1,rows+8"); extern long row1; `

// TestSlotInside demands that code that reads an address from the GOT reads it from
// the symbol's own slot, or is refused: an addend would lead beside the slot.
func TestSlotInside(t *testing.T) {
	b := build{cc: "gcc", flags: []string{"-O2", "-fPIC"}}
	const before, after = "long rows[2] = {1, 2}; long f(void) { return 1; }", slotSource + "long rows[2] = {1, 2}; long f(void) { return row1; }"
	_, _, o := extractOf(t, b, "unit.c", "long f(void) { return 1; }", after)
	slots := 0
	for i := range o.Atoms {
		for _, r := range o.Atoms[i].Refs {
			if s := o.Symbol(r.Sym); extraction.BySlot(&r) {
				if slots++; r.Addend != -4 || s.Value != 8 {
					t.Errorf("slot of %s+%#x with addend %d, want 0x8 and -4", s.Name, s.Value, r.Addend)
				}
			}
		}
	}
	if slots != 1 {
		t.Errorf("%d slots, want 1", slots)
	}
	dir := t.TempDir()
	d := mustCompare(t, b.compile(t, filepath.Join(dir, "pre"), "unit.c", before), b.compile(t, filepath.Join(dir, "post"), "unit.c", after))
	if len(d.Refusals) != 1 || d.Refusals[0].Code != CodeInnerReference || d.Refusals[0].Symbol != "f" {
		t.Errorf("want inner-reference of f:\n%s", report(d))
	}
}
