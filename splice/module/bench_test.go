package module_test

import (
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/splice/module"
)

// BenchmarkBuild goes from two files to a module, with the kernel open.
func BenchmarkBuild(b *testing.B) {
	k := newBench(b, "6.1")
	s := greeting[0]
	prePath, err := k.tree.Compile(b.Context(), s.file)
	if err != nil {
		b.Fatal(err)
	}
	postPath, err := k.tree.Compile(b.Context(), s.file, s.edits...)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		pre, err := elfdiff.Open(prePath)
		if err != nil {
			b.Fatal(err)
		}
		post, err := elfdiff.Open(postPath)
		if err != nil {
			b.Fatal(err)
		}
		p, err := k.compare(b.Context(), pre, post)
		if err != nil {
			b.Fatal(err)
		}
		m, err := module.Build(k.kernel, module.Options{Name: "fix"}, p)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(m.Bytes())))
	}
}

// BenchmarkOpenKernel opens an image of hundreds of megabytes.
func BenchmarkOpenKernel(b *testing.B) {
	stock := newBench(b, "6.1").stock
	path, err := stock.Vmlinux(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		k, err := module.OpenKernel(path)
		if err != nil {
			b.Fatal(err)
		}
		k.Close()
	}
}
