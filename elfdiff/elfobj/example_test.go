package elfobj_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"log"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// Lists the functions of an object.
func ExampleOpen() {
	f, err := elfobj.Open("../../reloc/testdata/tiny.o")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range symbols {
		if s.Type() == elf.STT_FUNC {
			fmt.Println(s.Name, s.Size, f.Section(s.Section).Name)
		}
	}
	// Output:
	// twice 10 .text
	// choose.cold 4 .text.unlikely
	// word 21 .text
	// choose 140 .text
	// start 42 .text
}

// Composes an object.
func ExampleBuilder() {
	var b elfobj.Builder
	text := b.AddSection(elfobj.SectionHeader{Name: ".text", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addralign: 16}, []byte{0xc3})
	b.AddSymbol(elfobj.Symbol{Name: "f", Size: 1, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: text})
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		log.Fatal(err)
	}
	f, err := elfobj.Parse(file.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	symbols, err := f.Symbols()
	fmt.Println(symbols[1].Name, err)
	// Output: f <nil>
}
