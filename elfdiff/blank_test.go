package elfdiff

import (
	"bytes"
	"debug/elf"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// TestBlank compares with an object that stands for a file that is not there. What a compiler
// leaves of a source without code is no such thing.
func TestBlank(t *testing.T) {
	for _, c := range []struct {
		name      string
		pre, post *elfobj.Builder
		code      Code // "" for nothing in the way
	}{
		{"new file", &elfobj.Builder{}, oneFunction("GCC", true), ""},
		{"file that is gone", oneFunction("GCC", true), &elfobj.Builder{}, ""},
		{"source without code", oneFunction("GCC", false), oneFunction("GCC", true), CodeNoCode},
		{"other compiler", oneFunction("GCC 1", true), oneFunction("GCC 2", true), CodeCompiler},
		{"new file without code", &elfobj.Builder{}, oneFunction("GCC", false), CodeNoCode},
		{"nothing", &elfobj.Builder{}, &elfobj.Builder{}, CodeNoCode},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Compare(builtOf(t, c.pre), builtOf(t, c.post), Options{})
			if err != nil {
				t.Fatal(err)
			}
			is := func(code Code) bool {
				return slices.ContainsFunc(d.Refusals, func(r Refusal) bool { return r.Code == code })
			}
			for _, code := range []Code{CodeNoCode, CodeCompiler} {
				if is(code) != (code == c.code) {
					t.Errorf("refusals %v, want %q", d.Refusals, c.code)
				}
			}
		})
	}
}

// oneFunction is an object with a comment, and with a function or nothing.
func oneFunction(comment string, function bool) *elfobj.Builder {
	var b elfobj.Builder
	b.AddSection(elfobj.SectionHeader{Name: ".comment", Type: elf.SHT_PROGBITS, Flags: elf.SHF_MERGE | elf.SHF_STRINGS, Entsize: 1, Addralign: 1}, append([]byte(comment), 0))
	if function {
		text := b.AddSection(elfobj.SectionHeader{Name: ".text", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addralign: 16}, []byte{0xc3})
		b.AddSymbol(elfobj.Symbol{Name: "f", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: text, Size: 1})
	}
	return &b
}

func builtOf(t *testing.T, b *elfobj.Builder) *Object {
	t.Helper()
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	o, err := NewObject(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return o
}
