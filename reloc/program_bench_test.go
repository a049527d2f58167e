package reloc

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/reloc/image"
)

// programImages opens what is no kernel as a whole: a program, a process that
// runs it, with its libraries, and a module.
func programImages(b *testing.B) []namedImage {
	p := build(b, config{opt: "-O2", link: "pie"}, victims...)
	pid := start(b, p.image, "x", "y")
	list := []namedImage{
		{"program", func() (*image.Image, error) { return image.OpenELF(p.image) }},
		{"process", func() (*image.Image, error) { return image.OpenProcess(pid) }},
	}
	k := vmtest.Need(b, "6.1")
	text, err := k.Module("nf_tables")
	if err != nil {
		b.Fatal(err)
	}
	module := filepath.Join(b.TempDir(), "nf_tables.ko")
	if err := os.WriteFile(module, text, 0o600); err != nil {
		b.Fatal(err)
	}
	kernel := mustOpenKernel(b, k.Image)
	return append(list, namedImage{"module", func() (*image.Image, error) { return image.OpenModule(module, image.ModuleOptions{Kernel: kernel}) }})
}

// namedImage is one kind of image.
type namedImage struct {
	name string
	open func() (*image.Image, error)
}

// BenchmarkOpenProgram is BenchmarkOpenImage for them.
func BenchmarkOpenProgram(b *testing.B) {
	for _, kind := range programImages(b) {
		b.Run(kind.name, func(b *testing.B) {
			testenv.Kept(b, kind.open, func(img *image.Image) (float64, string) { return float64(len(img.Symbols())), "symbols" })
		})
	}
}

// BenchmarkReadProgram is BenchmarkReadImage for them.
func BenchmarkReadProgram(b *testing.B) {
	for _, kind := range programImages(b) {
		b.Run(kind.name, func(b *testing.B) {
			img, err := kind.open()
			if err != nil {
				b.Fatal(err)
			}
			defer img.Close()
			var code []image.Region
			size := uint64(0)
			for _, r := range img.Regions() {
				if r.Exec && r.Read {
					code = append(code, r)
					size += r.End - r.Start
				}
			}
			b.SetBytes(int64(size))
			p := make([]byte, image.ChunkSize)
			for b.Loop() {
				for _, r := range code {
					for at := r.Start; at < r.End; at += image.ChunkSize {
						if err := img.ReadAddr(p[:min(image.ChunkSize, r.End-at)], at); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
		})
	}
}

// BenchmarkMatchProgram matches the objects of a program with its file and with
// a process that runs it.
func BenchmarkMatchProgram(b *testing.B) {
	p := build(b, config{opt: "-O2", link: "pie"}, victims...)
	pid := start(b, p.image, "x", "y")
	for _, kind := range []namedImage{
		{"program", func() (*image.Image, error) { return image.OpenELF(p.image) }},
		{"process", func() (*image.Image, error) { return image.OpenProcess(pid) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			img, err := kind.open()
			if err != nil {
				b.Fatal(err)
			}
			defer img.Close()
			size := uint64(0)
			for _, path := range p.objects {
				for _, a := range mustOpen(b, path).Functions() {
					size += a.Size
				}
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, path := range p.objects {
					if _, err := Match(context.Background(), mustOpen(b, path), img, Options{}); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
