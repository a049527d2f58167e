package kofile_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/kcode"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
)

// A raw file has a section of data, and what it refers to.
type raw struct {
	b                     elfobj.Builder
	index                 elfobj.SectionIndex
	data, code, text, mod elfobj.SymbolIndex
}

// size is that of the sections of a raw file.
const size = 1 << 16

func newRaw(data []byte) *raw {
	r := &raw{}
	add := func(name string, flags elf.SectionFlag, data []byte) (elfobj.SectionIndex, elfobj.SymbolIndex) {
		i := r.b.AddSection(elfobj.SectionHeader{Name: name, Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | flags, Addralign: 8}, data)
		return i, r.b.AddSymbol(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: i})
	}
	r.index, r.data = add(kerneltab.Data, elf.SHF_WRITE, data)
	_, r.code = add(kerneltab.Text, elf.SHF_EXECINSTR, make([]byte, 16))
	_, r.text = add(kerneltab.Rodata, 0, bytes.Repeat([]byte("f"), 1024))
	_, r.mod = add(kerneltab.ThisModule, elf.SHF_WRITE, make([]byte, 64))
	return r
}

func (r *raw) refer(at uint64, symbol elfobj.SymbolIndex, addend int64) {
	r.b.AddRela(r.index, elfobj.Rela{Offset: at, Addend: addend, Sym: symbol, Type: uint32(elf.R_X86_64_64)})
}

func (r *raw) parse(t *testing.T) *kofile.File {
	t.Helper()
	var b bytes.Buffer
	_, err := r.b.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	f, err := kofile.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestNameOutside has the name of a function end behind the end of all addresses.
func TestNameOutside(t *testing.T) {
	r := newRaw(make([]byte, size))
	r.refer(0, r.text, -1) // klp_func
	r.refer(8, r.code, 0)
	r.refer(1024+8, r.data, 0) // klp_object
	r.refer(2048, r.mod, 0)    // klp_patch
	r.refer(2048+8, r.data, 1024)
	if _, err := r.parse(t).Patch(0); !errors.Is(err, kofile.ErrNoPatch) {
		t.Error(err)
	}
}

// TestSharedFunctions has many objects with the same functions, which would be as many as the
// product of both.
func TestSharedFunctions(t *testing.T) {
	const n = 200
	r := newRaw(make([]byte, size))
	for i := range uint64(n) {
		r.refer(i*152, r.text, 1020)
		r.refer(i*152+8, r.code, 0)
		r.refer(size/2+i*112+8, r.data, 0)
	}
	r.refer(size-512, r.mod, 0)
	r.refer(size-512+8, r.data, size/2)
	if p, err := r.parse(t).Patch(152); !errors.Is(err, kofile.ErrNoPatch) {
		t.Errorf("%d objects, %v", len(p.Objects), err)
	}
}

// TestSharedChecks has many checks of the same bytes, which would be as many as the product of
// both.
func TestSharedChecks(t *testing.T) {
	l, err := kcode.ReadLayout()
	if err != nil {
		t.Fatal(err)
	}
	const n = 100
	data := make([]byte, size)
	r := newRaw(data)
	kernel := r.b.AddSymbol(elfobj.Symbol{Name: "_text", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
	row := l.Size("check")
	for i := range uint64(n) {
		r.refer(i*row+l.Offset("check", "at"), kernel, 0)
		r.refer(i*row+l.Offset("check", "want"), r.data, size/2)
		r.refer(i*row+l.Offset("check", "mask"), r.data, size/2)
		binary.LittleEndian.PutUint64(data[i*row+l.Offset("check", "size"):], size/4)
	}
	for i := uint64(0); i < size/4; i += 8 {
		r.refer(size/2+i, kernel, 0)
	}
	r.b.AddSymbol(elfobj.Symbol{Name: "fix_checks", Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_OBJECT), Section: r.index, Size: (n + 1) * row})
	if list, err := r.parse(t).Checks("fix"); err == nil {
		t.Errorf("%d checks", len(list))
	}
}
