package image_test

import (
	"debug/elf"
	"fmt"
	"log"
	"os"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/reloc/image"
)

// Memory that a debugger, a core dump or an agent on another machine gives is as good as a
// process: all that it takes is who reads it, which memory there is, and what is known of
// symbols.
func ExampleNewImage() {
	// add: lea eax, [rdi+rsi]; ret
	code := []byte{0x8d, 0x04, 0x37, 0xc3}
	memory, err := image.NewSegments(image.Segment{Addr: 0x401000, Data: code})
	if err != nil {
		log.Fatal(err)
	}
	img, err := image.NewImage(memory,
		[]image.Region{{Start: 0x401000, End: 0x401004, Read: true, Exec: true}}, nil,
		[]image.Symbol{{Name: "add", Addr: 0x401000, Size: 4, Type: elf.STT_FUNC}})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	s, off, _ := img.SymbolAt(0x401003)
	fmt.Printf("%s+%d, %d modules\n", s.Name, off, len(img.Modules()))
	// Output: add+3, 1 modules
}

// A raw dump of a kernel's memory, which QEMU's memsave wrote. Where KASLR had put the kernel
// is found out by its build-id.
func ExampleOpenDump() {
	img, err := image.OpenDump("memory.bin", image.Dump{Base: 0xffffffff80000000, Symbols: "vmlinux"})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	kernel := img.Modules()[0]
	fmt.Printf("%s, build-id %x, moved by %#x\n", kernel.Name, kernel.BuildID, kernel.Bias)
}

// A live process: every file that is mapped is a module.
func ExampleOpenProcess() {
	img, err := image.OpenProcess(os.Getpid())
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	for _, m := range img.Modules() {
		fmt.Printf("%-20s %#x-%#x  build-id %x\n", m.Name, m.Start, m.End, m.BuildID)
	}
}

// A kernel is found by its content: vmlinux, or vmlinuz, which has its symbols packed.
func ExampleOpenKernel() {
	img, err := image.OpenKernel("/boot/vmlinuz")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	for _, s := range img.Lookup("schedule") {
		fmt.Printf("%s is at %#x as linked\n", s.Name, s.Addr)
	}
}

// What is in a file already opened, such as one in memory.
func ExampleNewELF() {
	f, err := elfobj.Open("../testdata/tiny.elf")
	if err != nil {
		log.Fatal(err)
	}
	img, err := image.NewELF(f, "tiny")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	for _, r := range img.Regions() {
		fmt.Printf("%#x-%#x write=%v exec=%v\n", r.Start, r.End, r.Write, r.Exec)
	}
}

// Build-ids say which program and which libraries a process has, whatever became of the files.
func ExampleProcessModules() {
	list, err := image.ProcessModules(os.Getpid())
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range list {
		if m := &list[i]; m.Main {
			fmt.Println(m.Name != "", len(m.BuildID))
		}
	}
}
