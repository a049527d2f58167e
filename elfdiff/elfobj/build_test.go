package elfobj

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// shfRelaLivepatch is SHF_RELA_LIVEPATCH of include/uapi/linux/elf.h, Linux 6.1.
const shfRelaLivepatch elf.SectionFlag = 0x00100000

// livepatch builds what the module loader calls a livepatch module: a function
// that uses a symbol of vmlinux by a livepatch relocation, and one of the
// ordinary kind.
func livepatch() *Builder {
	b := &Builder{Header: Header{OSABI: byte(elf.ELFOSABI_NONE)}}
	const alloc = elf.SHF_ALLOC
	text := b.AddSection(SectionHeader{Name: ".text", Type: elf.SHT_PROGBITS, Flags: alloc | elf.SHF_EXECINSTR, Addralign: 16},
		[]byte{0xe8, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0xc3})
	this := b.AddSection(SectionHeader{Name: ".gnu.linkonce.this_module", Type: elf.SHT_PROGBITS, Flags: alloc | elf.SHF_WRITE, Addralign: 64},
		make([]byte, 896))
	b.AddSection(SectionHeader{Name: ".modinfo", Type: elf.SHT_PROGBITS, Flags: alloc, Addralign: 1}, []byte("license=GPL\x00livepatch=Y\x00"))
	printk := b.AddSymbol(Symbol{Name: "_printk", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
	klp := b.AddSymbol(Symbol{Name: ".klp.sym.vmlinux.cmdline_proc_show,1", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: SecLivepatch})
	b.AddSymbol(Symbol{Name: "patched", Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_FUNC), Section: text, Size: 11})
	b.AddSymbol(Symbol{Name: "__this_module", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT), Section: this, Size: 896})
	b.AddSymbol(Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: text})
	const plt32 = uint32(elf.R_X86_64_PLT32)
	b.AddRela(text, Rela{Offset: 1, Addend: -4, Sym: printk, Type: plt32})
	b.AddRelaSection(SectionHeader{Name: ".klp.rela.vmlinux..text", Flags: alloc | shfRelaLivepatch}, text,
		[]Rela{{Offset: 6, Addend: -4, Sym: klp, Type: plt32}})
	return b
}

// TestLivepatchModule expects readelf to see in a module what was put in.
func TestLivepatchModule(t *testing.T) {
	testenv.Need(t, "readelf", "ld")
	file := filepath.Join(t.TempDir(), "livepatch.ko")
	if err := files.Write(file, livepatch()); err != nil {
		t.Fatal(err)
	}
	f, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	checkRead(t, f, file)
	checkRewrite(t, f, file)
	out := strings.Join(strings.Fields(runReadelf(t, file, "-SrsW")), " ")
	for _, want := range []string{
		"[ 1] .text PROGBITS 0000000000000000 000040 00000b 00 AX 0 0 16",
		"[ 2] .gnu.linkonce.this_module PROGBITS 0000000000000000 000080 000380 00 WA 0 0 64",
		"[ 4] .klp.rela.vmlinux..text RELA 0000000000000000 000418 000018 18 Ao 6 1 8",
		"[ 5] .rela.text RELA 0000000000000000 000430 000018 18 I 6 1 8",
		"[ 6] .symtab SYMTAB 0000000000000000 000448 000090 18 7 3 8",
		"1: 0000000000000000 11 FUNC LOCAL DEFAULT 1 patched",
		"2: 0000000000000000 0 SECTION LOCAL DEFAULT 1 .text",
		"3: 0000000000000000 0 NOTYPE GLOBAL DEFAULT UND _printk",
		"4: 0000000000000000 0 FUNC GLOBAL DEFAULT OS [0xff20] .klp.sym.vmlinux.cmdline_proc_show,1",
		"0000000000000001 0000000300000004 R_X86_64_PLT32 0000000000000000 _printk - 4",
		"0000000000000006 0000000400000004 R_X86_64_PLT32 0000000000000000 .klp.sym.vmlinux.cmdline_proc_show,1 - 4",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("readelf doesn't print %s", want)
		}
	}
	if t.Failed() {
		t.Log(runReadelf(t, file, "-SrsW"))
	}
	relas, err := f.Relas(1)
	if err != nil || len(relas) != 2 || relas[0].Sym != 4 || relas[1].Sym != 3 {
		t.Errorf("relocations of both sections in file order: %v, %v", relas, err)
	}
	syms, _ := f.Symbols()
	if syms[4].Section != SecLivepatch || !syms[4].Section.IsReserved() || syms[4].IsDefined() {
		t.Errorf("livepatch symbol: %+v", syms[4])
	}
}

// TestBuilderRuns links an object that was built from nothing, and runs it.
func TestBuilderRuns(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, share := range []bool{false, true} {
		b := &Builder{ShareTails: share}
		main := b.AddSymbol(Symbol{Name: "main", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: 2, Size: 6})
		b.AddGroup(main, GroupComdat)
		text := b.AddSection(SectionHeader{Name: ".text.main", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addralign: 16},
			[]byte{0x8b, 0x05, 0, 0, 0, 0, 0xc3}) // mov answer(%rip),%eax; ret
		data := b.AddSection(SectionHeader{Name: ".data", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_WRITE, Addralign: 4}, []byte{42, 0, 0, 0})
		b.AddSection(SectionHeader{Name: ".note.GNU-stack", Type: elf.SHT_PROGBITS}, nil)
		b.AddMember(1, text)
		answer := b.AddSymbol(Symbol{Name: "answer", Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_OBJECT), Section: data, Size: 4})
		b.AddRela(text, Rela{Offset: 2, Addend: -4, Sym: answer, Type: uint32(elf.R_X86_64_PC32)})
		dir := t.TempDir()
		if err := files.Write(filepath.Join(dir, "main.o"), b); err != nil {
			t.Fatal(err)
		}
		exe := filepath.Join(dir, "main")
		if msg, err := exec.Command("gcc", "-o", exe, filepath.Join(dir, "main.o")).CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v: %s", err, msg)
		}
		var exit *exec.ExitError
		if err := exec.Command(exe).Run(); !errors.As(err, &exit) || exit.ExitCode() != 42 {
			t.Errorf("the program should exit with 42: %v", err)
		}
	}
}

// TestManySectionsBuilt builds what 16 bit indices can't express, at the very
// border too, and reads it back.
func TestManySectionsBuilt(t *testing.T) {
	testenv.Serial(t)
	for _, n := range []int{0xfefb, 0xfefc, 0xff00, 70_000} {
		var b Builder
		for i := range n {
			s := b.AddSection(SectionHeader{Name: ".text", Type: elf.SHT_PROGBITS, Addralign: 1}, []byte{byte(i)})
			b.AddSymbol(Symbol{Name: fmt.Sprint("f", i), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: s})
		}
		b.AddSymbol(Symbol{Name: "abs", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT), Section: SecAbs})
		b.AddRela(SectionIndex(n), Rela{Sym: SymbolIndex(n)})
		f, err := Parse(writeBuilder(t, &b))
		if err != nil {
			t.Fatal(err)
		}
		tables := 5
		if n < 0xff00 {
			tables = 4
		}
		if len(f.Sections) != 1+n+tables {
			t.Fatalf("%d: %d sections", n, len(f.Sections))
		}
		syms, err := f.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i <= n; i++ {
			if syms[i].Section != SectionIndex(i) {
				t.Fatalf("%d: symbol %d: %+v", n, i, syms[i])
			}
		}
		if syms[n+1].Section != SecAbs {
			t.Errorf("%d: absolute symbol: %+v", n, syms[n+1])
		}
		if relas, err := f.Relas(SectionIndex(n)); err != nil || len(relas) != 1 || relas[0].Sym != SymbolIndex(n) {
			t.Errorf("%d: relocations: %v, %v", n, relas, err)
		}
		count := 0
		for range f.SectionsNamed(".text") {
			count++
		}
		if count != n {
			t.Errorf("%d: %d sections named .text", n, count)
		}
		var again bytes.Buffer
		if _, err := f.Rewrite(&again); err != nil || again.Len() != int(f.src.size) {
			t.Errorf("%d: rewritten in %d bytes: %v", n, again.Len(), err)
		}
	}
}

func writeBuilder(t testing.TB, b *Builder) []byte {
	t.Helper()
	var out, again bytes.Buffer
	n, err := b.WriteTo(&out)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(out.Len()) {
		t.Errorf("WriteTo returns %d after %d bytes", n, out.Len())
	}
	if _, err := b.WriteTo(&again); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("writing twice gives different bytes (%v)", err)
	}
	return out.Bytes()
}

// TestAppend edits an object: more symbols, local ones among them, with names
// that are new and that are not.
func TestAppend(t *testing.T) {
	f, err := Parse(sound(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Spec()
	if err != nil {
		t.Fatal(err)
	}
	s.Symbols = append(s.Symbols,
		Symbol{Name: "added", Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_FUNC), Section: secText},
		Symbol{Name: s.Symbols[1].Name[2:], Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
	if _, err := s.WriteTo(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "symbol added: local symbol 3 after symbol 2") {
		t.Errorf("unsorted: %v", err)
	}
	to, err := s.SortSymbols()
	if d := cmp.Diff([]SymbolIndex{0, 1, 3, 2, 4}, to); err != nil || d != "" {
		t.Errorf("SortSymbols: %v, %s", err, d)
	}
	var out bytes.Buffer
	if _, err := s.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	g, err := Parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	syms, err := g.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s.Symbols, syms); d != "" {
		t.Error(d)
	}
	relas, _ := g.Relas(secText)
	groups, _ := g.Groups()
	if syms[relas[0].Sym].Name != "f" || syms[groups[0].Signature].Name != "f" {
		t.Errorf("relocations %v and groups %v don't follow the symbols", relas, groups)
	}
	if b, _ := g.Sections[secStrtab].Data(); string(b) != "\x00local\x00f\x00added\x00" {
		t.Errorf("string table %q", b)
	}
	if syms, _ := f.Symbols(); len(syms) != 3 || syms[2].Name != "f" {
		t.Errorf("the file has changed: %v", syms)
	}
}
