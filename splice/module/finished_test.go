package module

import (
	"bytes"
	"debug/elf"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// TestObjtools asks what objects lack that objtool has not seen: a table of code where there
// is code, and one of returns where there are returns.
func TestObjtools(t *testing.T) {
	for _, c := range []struct {
		name        string
		code, thunk bool
		wants       int // tables
	}{
		{"nothing", false, false, 0},
		{"code that ends in a call", true, false, 1},
		{"code that returns", true, true, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := madeOf(t, c.code, c.thunk)
			n := 0
			for i := range objtools {
				if objtools[i].wants(o) {
					n++
				}
			}
			if n != c.wants {
				t.Errorf("%d tables, want %d", n, c.wants)
			}
		})
	}
}

func madeOf(t *testing.T, code, thunk bool) *object.Object {
	t.Helper()
	var b elfobj.Builder
	if code {
		text := b.AddSection(elfobj.SectionHeader{Name: ".text", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addralign: 16}, []byte{0xc3})
		b.AddSymbol(elfobj.Symbol{Name: "f", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: text, Size: 1})
	}
	if thunk {
		b.AddSymbol(elfobj.Symbol{Name: kerneltab.ReturnThunk, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
	}
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	o, err := elfdiff.NewObject(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return o
}
