package reloc_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/reloc"
)

func ExampleOpenELF() {
	img, err := reloc.OpenELF("testdata/tiny.elf")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	for _, s := range img.Lookup("choose") {
		fmt.Printf("%s is at %#x, %d bytes\n", s.Name, s.Addr, s.Size)
		var code [4]byte
		if err := img.ReadAddr(code[:], s.Addr); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("and begins with % x\n", code)
	}
	// Output:
	// choose is at 0x400130, 140 bytes
	// and begins with 83 ff 05 0f
}

// Without symbols every function is found by its bytes, and the relocations
// tell where variables are.
func ExampleMatch() {
	pre, err := elfdiff.Open("testdata/tiny.o")
	if err != nil {
		log.Fatal(err)
	}
	img, err := reloc.OpenELF("testdata/tiny.elf")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	result, err := reloc.Match(context.Background(), pre, img, reloc.Options{NoSymbols: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range result.Functions {
		fmt.Printf("%-11s %v at %#x, by %v\n", f.Name, f.Verdict, f.Address, f.By)
	}
	for _, s := range result.Symbols {
		if s.Name == "state" {
			fmt.Printf("state is at %#x\n", s.Address)
		}
	}
	// Output:
	// twice       match at 0x400100, by reference
	// word        match at 0x400110, by reference
	// choose      match at 0x400130, by search
	// start       match at 0x4001c0, by search
	// choose.cold match at 0x4000f0, by reference
	// state is at 0x400458
}
