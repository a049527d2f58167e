package amd64

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// ldSource has one field of each kind that a static link fills in; ld must not
// relax any of them, which is why the GOT loads name a function of IFUNC type
// or are written as data.
const ldSource = `
	.globl	_start, target, weak, absolute
	.weak	weak
	.set	absolute, 0x7654
	.set	small, 0x7f
	.section .text.place,"ax",@progbits
_start:
	call	target@PLT
	jmp	target
	jne	target
	lea	target+16(%rip), %rax
	cmpl	$1, counter(%rip)
	cmpb	$1, counter(%rip)
	mov	$counter, %eax
	mov	$counter, %rax
	mov	counter(,%rdi,8), %rax
	movabs	$target, %rax
	movabs	$target-_start-8, %rcx
	push	$absolute
	movw	$absolute, %ax
	movb	$small, %al
	call	weak
	.reloc	., R_X86_64_NONE
	ret
	.section .text.target,"ax",@progbits
	.skip	64
target:	ret
	.section .data.place,"aw",@progbits
	.quad	target, counter+8
	.quad	target - .
	.long	target - .
	.long	counter
	.short	absolute
	.short	near - .
	.byte	small
near:	.byte	near2 - .
near2:	.reloc ., R_X86_64_PC8, near
	.byte	0
	.reloc	., R_X86_64_PC16, near2+3
	.short	0
	.reloc	., R_X86_64_SIZE32, counter
	.long	0
	.reloc	., R_X86_64_SIZE64, counter+1
	.quad	0
	.section .data.counter,"aw",@progbits
	.type	counter, @object
	.size	counter, 24
	.globl	counter
	.skip	8
counter: .skip	24
`

const ldScript = `
SECTIONS {
	weak = 0x401500;
	.text.place 0x401000 : { *(.text.place) }
	.text.target 0x40f000 : { *(.text.target) }
	.data.place 0x500000 : { *(.data.place) }
	.data.counter 0x612340 : { *(.data.counter) }
	/DISCARD/ : { *(*) }
}
`

// TestHowtoLinker links an object at fixed addresses and compares each of its
// fields with what Apply makes of it, and Solve with the symbol's value.
func TestHowtoLinker(t *testing.T) {
	testenv.Need(t, "as", "ld")
	dir := t.TempDir()
	object, image := filepath.Join(dir, "in.o"), filepath.Join(dir, "out")
	source, script := filepath.Join(dir, "in.s"), filepath.Join(dir, "in.ld")
	writeFile(t, source, ldSource)
	writeFile(t, script, ldScript)
	run(t, "as", "-mrelax-relocations=no", "-o", object, source)
	run(t, "ld", "-T", script, "-o", image, object)
	in, out := openELF(t, object), openELF(t, image)
	values := map[string]elf.Symbol{}
	syms, err := out.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range syms {
		values[s.Name] = s
	}
	insyms, err := in.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, rs := range in.Sections {
		if rs.Type != elf.SHT_RELA {
			continue
		}
		name := strings.TrimPrefix(rs.Name, ".rela")
		section := out.Section(name)
		code, err := section.Data()
		if err != nil {
			t.Fatal(err)
		}
		relas, err := rs.Data()
		if err != nil {
			t.Fatal(err)
		}
		for ; len(relas) >= 24; relas = relas[24:] {
			var r elf.Rela64
			if err := binary.Read(bytes.NewReader(relas), binary.LittleEndian, &r); err != nil {
				t.Fatal(err)
			}
			h, ok := HowtoOf(elf.R_TYPE64(r.Info))
			if !ok {
				t.Fatalf("%s+%#x: type %d is not known", name, r.Off, elf.R_TYPE64(r.Info))
			}
			var s uint64
			if i := elf.R_SYM64(r.Info); i != 0 {
				s = symbolValue(out, values, in, insyms[i-1], h)
			}
			compareField(t, h, code[r.Off:], s, r.Addend, section.Addr+r.Off)
			seen[h.Name]++
		}
	}
	t.Logf("compared %v", seen)
	if len(seen) < 11 {
		t.Errorf("only %d types compared", len(seen))
	}
}

func compareField(t *testing.T, h *Howto, linked []byte, s uint64, a int64, p uint64) {
	t.Helper()
	var field [8]byte
	if err := h.Apply(field[:], s, a, p); err != nil {
		t.Errorf("%v", err)
	}
	if h.Size == 0 {
		return
	}
	if !bytes.Equal(field[:h.Size], linked[:h.Size]) {
		t.Errorf("%s at %#x, s %#x, a %#x: % x, ld has % x", h.Name, p, s, a, field[:h.Size], linked[:h.Size])
	}
	if got, err := h.Solve(linked[:h.Size], a, p); err != nil || got != s {
		t.Errorf("%s at %#x: solved %#x, %v; the symbol is %#x", h.Name, p, got, err, s)
	}
}

// symbolValue finds where ld put what a relocation names.
func symbolValue(out *elf.File, values map[string]elf.Symbol, in *elf.File, sym elf.Symbol, h *Howto) uint64 {
	if elf.ST_TYPE(sym.Info) == elf.STT_SECTION {
		return out.Section(in.Sections[sym.Section].Name).Addr
	}
	if h.Expr == ExprSize {
		return sym.Size
	}
	return values[sym.Name].Value
}

// gotSource loads from GOT slots that ld --no-relax leaves alone, and uses the
// local-exec model of thread-local storage.
const gotSource = `
	.globl	_start, target, variable
_start:
	mov	target@GOTPCREL(%rip), %rax
	call	*target@GOTPCREL(%rip)
	mov	%fs:variable@tpoff, %eax
	mov	%fs:variable@tpoff+4, %eax
target:	ret
	.section .tdata,"awT",@progbits
	.skip	16
variable: .skip	8
	.skip	40
`

// TestHowtoLinkerGOT checks the types whose s is not the symbol's value: the
// solved address must be that of a slot which holds the symbol's, and the
// thread-local offset must count from the end of the template.
func TestHowtoLinkerGOT(t *testing.T) {
	testenv.Need(t, "as", "ld")
	dir := t.TempDir()
	source, object, image := filepath.Join(dir, "in.s"), filepath.Join(dir, "in.o"), filepath.Join(dir, "out")
	writeFile(t, source, gotSource)
	run(t, "as", "-o", object, source)
	run(t, "ld", "--no-relax", "-o", image, object)
	out := openELF(t, image)
	text, got := out.Section(".text"), out.Section(".got")
	code, err := text.Data()
	if err != nil {
		t.Fatal(err)
	}
	slots, err := got.Data()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		typ    elf.R_X86_64
		offset uint64
	}{{elf.R_X86_64_REX_GOTPCRELX, 3}, {elf.R_X86_64_GOTPCRELX, 9}} {
		h, _ := HowtoOf(uint32(f.typ))
		slot, err := h.Solve(code[f.offset:], -4, text.Addr+f.offset)
		if err != nil || slot < got.Addr || slot-got.Addr > uint64(len(slots)-8) {
			t.Fatalf("%s: slot %#x, %v; .got is at %#x", f.typ, slot, err, got.Addr)
		}
		if v := binary.LittleEndian.Uint64(slots[slot-got.Addr:]); v != text.Addr+29 {
			t.Errorf("%s: the slot holds %#x, want %#x", f.typ, v, text.Addr+29)
		}
	}
	h, _ := HowtoOf(uint32(elf.R_X86_64_TPOFF32))
	var negative int64 = 16 - 64
	compareField(t, h, code[17:], uint64(negative), 0, text.Addr+17)
	compareField(t, h, code[25:], uint64(negative), 4, text.Addr+25)
}

// TestHowtoLinkerOverflow checks that what ld refuses we refuse too. The other
// way around there is one difference: ld takes a negative value for a field of
// 8 or 16 bits as long as the bits above the field are all ones, though the sign
// is lost then. lld does not, nor do we.
func TestHowtoLinkerOverflow(t *testing.T) {
	testenv.Need(t, "as", "ld")
	for _, test := range []struct {
		typ   elf.R_X86_64
		size  string
		value uint64 // of the symbol; the place is 0x401000
		fits  bool
		loose bool // only ld takes it
	}{
		{elf.R_X86_64_32, ".long", 0xffffffff, true, false},
		{elf.R_X86_64_32, ".long", 0x100000000, false, false},
		{elf.R_X86_64_32, ".long", 0xffffffffffffffff, false, false},
		{elf.R_X86_64_32S, ".long", 0x7fffffff, true, false},
		{elf.R_X86_64_32S, ".long", 0x80000000, false, false},
		{elf.R_X86_64_32S, ".long", 0xffffffff80000000, true, false},
		{elf.R_X86_64_32S, ".long", 0xffffffff7fffffff, false, false},
		{elf.R_X86_64_PC32, ".long", 0x401000 + 0x7fffffff, true, false},
		{elf.R_X86_64_PC32, ".long", 0x401000 + 0x80000000, false, false},
		{elf.R_X86_64_16, ".short", 0xffff, true, false},
		{elf.R_X86_64_16, ".short", 0x10000, false, false},
		{elf.R_X86_64_16, ".short", 0xffffffffffff8000, true, false},
		{elf.R_X86_64_16, ".short", 0xffffffffffff7fff, false, true},
		{elf.R_X86_64_8, ".byte", 0xff, true, false},
		{elf.R_X86_64_8, ".byte", 0x100, false, false},
		{elf.R_X86_64_8, ".byte", 0xffffffffffffff80, true, false},
		{elf.R_X86_64_PC8, ".byte", 0x401000 + 0x7f, true, false},
		{elf.R_X86_64_PC8, ".byte", 0x401000 + 0x80, false, false},
		{elf.R_X86_64_PC8, ".byte", 0x401000 - 0x80, true, false},
		{elf.R_X86_64_PC16, ".short", 0x401000 + 0x7fff, true, false},
		{elf.R_X86_64_PC16, ".short", 0x401000 - 0x8001, false, true},
	} {
		dir := t.TempDir()
		object := filepath.Join(dir, "in.o")
		writeFile(t, filepath.Join(dir, "in.s"), ".text\n.globl _start\n_start: .reloc ., "+test.typ.String()+", far\n"+test.size+" 0\n")
		run(t, "as", "-o", object, filepath.Join(dir, "in.s"))
		cmd := exec.Command("ld", "-Ttext=0x401000", "--defsym", fmt.Sprintf("far=%#x", test.value), "-o", filepath.Join(dir, "out"), object)
		linked := cmd.Run() == nil
		h, _ := HowtoOf(uint32(test.typ))
		err := h.Apply(make([]byte, 8), test.value, 0, 0x401000)
		if linked != (test.fits || test.loose) || (err == nil) != test.fits || err != nil && !errors.Is(err, ErrOverflow) {
			t.Errorf("%s %#x: ld %v, Apply %v, want %v", test.typ, test.value, linked, err, test.fits)
		}
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

func openELF(t *testing.T, name string) *elf.File {
	t.Helper()
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
