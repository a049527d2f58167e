package image_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	. "github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/image/gdb"
	"github.com/gosplice/gosplice/reloc/image/internal/fakekernel"
)

// BenchmarkOpenImage opens an image of each kind with all its symbols. Besides
// time it tells what stays in memory.
func BenchmarkOpenImage(b *testing.B) {
	for _, release := range vmtest.Releases() {
		k := vmtest.Need(b, release)
		vmlinux, err := k.Vmlinux(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		dir := b.TempDir()
		dump, base := benchDump(b, dir, k.Image)
		root := benchRoot(b, k.Image)
		module := filepath.Join(dir, "nf_tables.ko")
		image, err := k.Module("nf_tables")
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(module, image, 0o600); err != nil {
			b.Fatal(err)
		}
		kernel := MustKernel(b, k.Image)
		port := fakekernel.ServeGDB(b, kernel, 0)
		for _, kind := range []struct {
			name string
			open func() (*Image, error)
		}{
			{"vmlinux", func() (*Image, error) { return OpenKernel(vmlinux) }},
			{"vmlinuz", func() (*Image, error) { return OpenKernel(k.Image) }},
			{"module", func() (*Image, error) { return OpenModule(module, ModuleOptions{Kernel: kernel}) }},
			{"loaded module", func() (*Image, error) {
				return OpenModule(module, ModuleOptions{Kernel: kernel, Sections: benchSections(b, image)})
			}},
			{"kcore", func() (*Image, error) { return NewRunning(root) }},
			{"dump", func() (*Image, error) { return OpenDump(dump, Dump{Base: base, Symbols: vmlinux}) }},
			{"gdb", func() (*Image, error) { return gdb.Open(b.Context(), port, vmlinux) }},
		} {
			b.Run(release+"/"+kind.name, func(b *testing.B) { testenv.Kept(b, kind.open, countSymbols) })
		}
	}
}

// benchSections says where the sections of a module are, as the kernel does of one
// that is loaded.
func benchSections(b *testing.B, module []byte) map[string]uint64 {
	b.Helper()
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		b.Fatal(err)
	}
	// Per-CPU variables are not among the module's own memory: what the kernel shows is an
	// offset in each processor's area.
	out, at := map[string]uint64{kerneltab.PerCPU: 0x39000}, uint64(0xffffffffc0300000)
	for _, pass := range []elf.SectionFlag{elf.SHF_EXECINSTR, 0, elf.SHF_WRITE} { // kinds are apart
		for _, s := range f.Sections {
			if s.Flags&elf.SHF_ALLOC == 0 || s.Flags&(elf.SHF_EXECINSTR|elf.SHF_WRITE) != pass || s.Size == 0 || s.Name == kerneltab.PerCPU {
				continue
			}
			at = (at + 63) &^ 63
			out[s.Name] = at
			at += s.Size
		}
		at = (at + 0xfff) &^ 0xfff
	}
	return out
}

// BenchmarkReadImage reads all code of an image, in the pieces that matching does.
func BenchmarkReadImage(b *testing.B) {
	k := vmtest.Need(b, "6.1")
	vmlinux, err := k.Vmlinux(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	dump, base := benchDump(b, b.TempDir(), k.Image)
	root := benchRoot(b, k.Image)
	packed := MustKernel(b, k.Image)
	port := fakekernel.ServeGDB(b, packed, 0)
	for _, kind := range []struct {
		name string
		open func() (*Image, error)
	}{
		{"vmlinux", func() (*Image, error) { return OpenKernel(vmlinux) }},
		{"vmlinuz", func() (*Image, error) { return packed, nil }},
		{"kcore", func() (*Image, error) { return NewRunning(root) }},
		{"dump", func() (*Image, error) { return OpenDump(dump, Dump{Base: base, Symbols: vmlinux}) }},
		{"gdb", func() (*Image, error) { return gdb.Open(b.Context(), port, vmlinux) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			img, err := kind.open()
			if err != nil {
				b.Fatal(err)
			}
			defer img.Close()
			lo, hi := One(b, img, "_text").Addr, One(b, img, "_etext").Addr
			b.SetBytes(int64(hi - lo))
			p := make([]byte, ChunkSize)
			for b.Loop() {
				for at := lo; at < hi; at += ChunkSize {
					if err := img.ReadAddr(p[:min(ChunkSize, hi-at)], at); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// benchDump writes what a kernel has loaded, code and constants, to a file.
func benchDump(b *testing.B, dir, image string) (path string, base uint64) {
	b.Helper()
	img := MustKernel(b, image)
	data := loadedBytes(b, img, "__end_rodata")
	path = filepath.Join(dir, "dump")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	return path, One(b, img, "_text").Addr
}

// loadedBytes returns what is loaded from _text to a symbol, with zeros between.
func loadedBytes(b *testing.B, img *Image, end string) []byte {
	b.Helper()
	start := One(b, img, "_text").Addr
	data := make([]byte, One(b, img, end).Addr-start)
	for _, r := range img.Regions() {
		lo, hi := max(r.Start, start), min(r.End, start+uint64(len(data)))
		if lo < hi {
			if err := img.ReadAddr(data[lo-start:hi-start], lo); err != nil {
				b.Fatal(err)
			}
		}
	}
	return data
}

// benchRoot makes the files of a kernel that runs where it was linked.
func benchRoot(b *testing.B, image string) fstest.MapFS {
	b.Helper()
	img := MustKernel(b, image)
	var syms bytes.Buffer
	for _, s := range img.Symbols() {
		letter := byte('T')
		if s.Type != elf.STT_FUNC {
			letter = 'D'
		}
		if s.Local {
			letter |= 0x20
		}
		fmt.Fprintf(&syms, "%016x %c %s\n", s.Addr, letter, s.Name)
	}
	start := One(b, img, "_text").Addr
	data := loadedBytes(b, img, "_end")
	id := hex.EncodeToString(img.Modules()[0].BuildID)
	notes := fakekernel.Note("VMCOREINFO", 0, fmt.Appendf(nil, "BUILD-ID=%s\nSYMBOL(_stext)=%x\nKERNELOFFSET=0\n", id, One(b, img, "_stext").Addr))
	var core bytes.Buffer
	const head = 64 + 2*56
	h := elf.Header64{Type: uint16(elf.ET_CORE), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 2}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	size := uint64(len(data))
	for _, v := range []any{h,
		elf.Prog64{Type: uint32(elf.PT_NOTE), Off: head, Filesz: uint64(len(notes))},
		elf.Prog64{Type: uint32(elf.PT_LOAD), Off: head + uint64(len(notes)), Vaddr: start, Filesz: size, Memsz: size}} {
		if err := binary.Write(&core, binary.LittleEndian, v); err != nil {
			b.Fatal(err)
		}
	}
	core.Write(notes)
	core.Write(data)
	return fstest.MapFS{"proc/kcore": {Data: core.Bytes()}, "proc/kallsyms": {Data: syms.Bytes()}}
}

// countSymbols is what is told of an image beside what it keeps.
func countSymbols(img *Image) (float64, string) { return float64(len(img.Symbols())), "symbols" }
