package reloc_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
)

func ExampleOpenELF() {
	img, err := image.OpenELF("testdata/tiny.elf")
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
	img, err := image.OpenELF("testdata/tiny.elf")
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
	// start       match at 0x4001c0, by layout
	// choose.cold match at 0x4000f0, by reference
	// state is at 0x400458
}

// Objects that are linked together tell where each other's functions and variables
// are.
func ExampleMatchAll() {
	img, err := image.OpenELF("testdata/tiny.elf")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	paths := []string{"testdata/tiny.o"}
	open := func(i int) (*object.Object, error) { return elfdiff.Open(paths[i]) }
	set, err := reloc.MatchAll(context.Background(), len(paths), open, img, reloc.Options{NoSymbols: true})
	if err != nil {
		log.Fatal(err)
	}
	for i, r := range set.Results {
		fmt.Printf("%s: all match: %v, %d functions\n", paths[i], r.AllMatched(), len(r.Functions))
	}
	fmt.Println("conflicts:", len(set.Conflicts))
	// Output:
	// testdata/tiny.o: all match: true, 5 functions
	// conflicts: 0
}

// A module of the kernel is laid out and linked as the loader would do it, with
// the kernel that it is for.
func ExampleOpenModule() {
	kernel, err := image.OpenKernel("/boot/vmlinuz")
	if err != nil {
		log.Fatal(err)
	}
	defer kernel.Close()
	img, err := image.OpenModule("/lib/modules/dummy.ko", image.ModuleOptions{Kernel: kernel})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range img.Lookup("dummy_xmit") {
		position, _ := img.SymPos(s)
		fmt.Printf("%s at %#x is number %d of its name for livepatch\n", s.Name, s.Addr, position)
	}
}

// What a file is, is seen by its content.
func ExampleOpen() {
	img, err := image.Open("testdata/tiny.elf", image.ModuleOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	for _, m := range img.Modules() {
		fmt.Printf("%s from %#x to %#x\n", m.Name, m.Start, m.End)
	}
	// Output: tiny.elf from 0x400000 to 0x400460
}

// The kernel that runs here, as root.
func ExampleOpenRunning() {
	img, err := image.OpenRunning()
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	kernel := img.Modules()[0]
	fmt.Printf("%s with build-id %x, moved by %#x\n", kernel.Name, kernel.BuildID, kernel.Bias)
}
