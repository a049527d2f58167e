// Package fakekernel is a small kernel that has started, for tests: its files in /proc and
// /sys, and the port for debuggers of its machine.
package fakekernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing/fstest"
)

// Slide is how far KASLR moved the kernel, bytes.
const Slide = 0x12000000

// Kallsyms has the symbols of a small kernel at run addresses, and those of a
// module.
const Kallsyms = `0000000000000000 A __per_cpu_start
0000000000000040 A a_percpu_variable
0000000000001000 A __per_cpu_end
ffffffff93000000 T _text
ffffffff93000000 T _stext
ffffffff93000010 T schedule
ffffffff93000800 T _etext
ffffffff93001000 D __start_rodata
ffffffff93001100 D __start_notes
ffffffff93001140 D __stop_notes
ffffffff93001200 D __start_ro_after_init
ffffffff93001300 D __end_ro_after_init
ffffffff93002000 D __end_rodata
ffffffff93002000 D _sdata
ffffffff93002010 d variable
ffffffff93003000 D __init_begin
ffffffff93003008 t init_it
ffffffff93004000 D __init_end
ffffffff93005000 B _end
ffffffffc0400000 t mod_static	[mod]
ffffffffc0400080 T mod_export	[mod]
ffffffffc0404010 d mod_data	[mod]
ffffffffc0700000 t bpf_prog_1	[bpf]
ffffffffc0800000 t gone	[gone]
`

// Info is what its VMCOREINFO says.
const Info = "OSRELEASE=6.1.0-test\nBUILD-ID=000102030405060708090a0b0c0d0e0f10111213\nSYMBOL(_stext)=ffffffff93000000\nKERNELOFFSET=12000000\n"

// Note returns an ELF note.
func Note(name string, typ uint32, desc []byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, uint32(len(name)+1))
	b = le.AppendUint32(b, uint32(len(desc)))
	b = le.AppendUint32(b, typ)
	pad := func() {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	b = append(append(b, name...), 0)
	pad()
	b = append(b, desc...)
	pad()
	return b
}

// ID is the build-id of the kernel.
var ID = []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}

// Kcore makes a core with 0x5000 bytes of the kernel, a module's memory and
// notes.
func Kcore(info string) []byte {
	notes := append(Note("CORE", 1, make([]byte, 30)), Note("VMCOREINFO", 0, []byte(info))...)
	image := make([]byte, 0x5000)
	copy(image[0x10:], "code of schedule")
	copy(image[0x1100:], Note("GNU", 3, ID))
	var b bytes.Buffer
	le := binary.LittleEndian
	const head = 64 + 3*56
	h := elf.Header64{Type: uint16(elf.ET_CORE), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 3}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	binary.Write(&b, le, h)
	binary.Write(&b, le, elf.Prog64{Type: uint32(elf.PT_NOTE), Off: head, Filesz: uint64(len(notes))})
	binary.Write(&b, le, elf.Prog64{Type: uint32(elf.PT_LOAD), Off: head + uint64(len(notes)), Vaddr: 0xffffffff93000000, Filesz: 0x5000, Memsz: 0x5000, Flags: 7})
	binary.Write(&b, le, elf.Prog64{Type: uint32(elf.PT_LOAD), Off: head + uint64(len(notes)) + 0x5000, Vaddr: 0xffffffffc0400000, Filesz: 0x6000, Memsz: 0x6000, Flags: 7})
	b.Write(notes)
	b.Write(image)
	b.Write(bytes.Repeat([]byte{0x90}, 0x6000))
	return b.Bytes()
}

// Root returns the files of the kernel below / that tell of it.
func Root() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"proc/kcore":    file(string(Kcore(Info))),
		"proc/kallsyms": file(Kallsyms),
		"proc/modules": file("mod 24576 0 - Live 0xffffffffc0400000 (OE)\n" +
			"gone 8192 0 - Live 0xffffffffc0800000\nleaving 8192 1 mod, Unloading 0xffffffffc0900000\n"),
		"sys/module/mod/sections/.text":              file("0xffffffffc0400000\n"),
		"sys/module/mod/sections/.init.text":         file("0xffffffffc0700000\n"),
		"sys/module/mod/sections/.rodata":            file("0xffffffffc0402000\n"),
		"sys/module/mod/sections/__jump_table":       file("0xffffffffc0403000\n"),
		"sys/module/mod/sections/.data":              file("0xffffffffc0404000\n"),
		"sys/module/mod/notes/.note.gnu.build-id":    file(string(Note("GNU", 3, ID[:8]))),
		"sys/module/leaving/sections/.text":          file("0xffffffffc0900000\n"),
		"sys/module/other_thing/sections/unreadable": file("x"),
	}
}
