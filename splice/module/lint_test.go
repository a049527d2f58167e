package module_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"math/rand"
	"sync"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/lint"
)

// lintKernels opens the image of each series once, for lint.
var lintKernels = map[string]func() (*lint.Kernel, error){"6.1": sync.OnceValues(lintOpener("6.1")), "6.12": sync.OnceValues(lintOpener("6.12"))}

func lintOpener(series string) func() (*lint.Kernel, error) {
	return func() (*lint.Kernel, error) {
		k, err := debkernel.Stock(context.Background(), series)
		if err != nil {
			return nil, err
		}
		path, err := k.Vmlinux(context.Background())
		if err != nil {
			return nil, err
		}
		return lint.OpenKernel(context.Background(), path)
	}
}

// TestLint changes modules in one place, that of each relocation and each loaded section in turn or
// at random: all that changes something of what is loaded has to be found. What is found without
// the digest, as in modules of others, is told.
func TestLint(t *testing.T) {
	for _, series := range testenv.Sample(1, []string{"6.1", "6.12"}) {
		b := newBench(t, series)
		m := b.build(t, module.Options{Name: "fix_lint"}, version("static const char *const gs_words[] = { \"a\", \"bc\" };\n", "	seq_printf(m, \"%s%d\\n\", gs_words[current->pid & 1], printk_ratelimit());\n")...)
		k, err := lintKernels[series]()
		if err != nil {
			t.Fatal(err)
		}
		r, err := lint.Check(t.Context(), m.Bytes(), k)
		if err != nil || len(r.Findings) > 0 || !r.Sealed {
			t.Fatalf("%s: %+v, %v", series, r, err)
		}
		mutate(t, series, m.Bytes(), k)
	}
}

func mutate(t *testing.T, series string, file []byte, k *lint.Kernel) {
	random := rand.New(rand.NewSource(1))
	n := testenv.Number(t, testenv.Flips, 300)
	unsealed, loaded := 0, 0
	for range n {
		x, what := mutant(t, random, file)
		r, err := lint.Check(t.Context(), x, k)
		if err != nil {
			t.Fatal(err)
		}
		if r.Worst() != lint.Wrong {
			t.Errorf("%s: %s is not found", series, what)
		}
		// Somebody who makes the digest anew: what is found then is what modules of others have.
		if y, ok := reseal(x); ok && isLoaded(file, y) {
			loaded++
			if r, err := lint.Check(t.Context(), y, k); err == nil && r.Worst() == lint.Wrong {
				unsealed++
			}
		}
	}
	t.Logf("%s: %d mutants; of %d in what is loaded, with a digest of their own, %d are found", series, n, loaded, unsealed)
}

// mutant changes a bit, or something of a relocation, a symbol or a section.
func mutant(t *testing.T, random *rand.Rand, file []byte) ([]byte, string) {
	t.Helper()
	x := bytes.Clone(file)
	if random.Intn(2) == 0 {
		x[random.Intn(len(x))] ^= 1 << random.Intn(8)
		return x, "a bit"
	}
	f, err := elfobj.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := f.Spec()
	if err != nil {
		t.Fatal(err)
	}
	for {
		i := random.Intn(len(spec.Sections))
		s := &spec.Sections[i]
		what := s.Name
		switch {
		case s.Type == elf.SHT_RELA && len(s.Relas) > 0:
			r := &s.Relas[random.Intn(len(s.Relas))]
			switch random.Intn(4) {
			case 0:
				r.Addend += []int64{-8, -1, 1, 4, 1 << 20}[random.Intn(5)]
			case 1:
				r.Offset += []uint64{1, 4, 8, 1 << 20}[random.Intn(4)]
			case 2:
				r.Type = []uint32{0, 1, 2, 9, 10, 11, 24}[random.Intn(7)] // some are the one that it has
			default:
				r.Sym = elfobj.SymbolIndex(1 + random.Intn(len(spec.Symbols)-1))
			}
		case s.Type == elf.SHT_SYMTAB:
			y := &spec.Symbols[1+random.Intn(len(spec.Symbols)-1)]
			y.Value += uint64(random.Intn(16))
			what = y.Name
		case s.Type == elf.SHT_PROGBITS && len(s.Data) > 8 && s.Flags&elf.SHF_ALLOC != 0:
			s.Data = s.Data[:len(s.Data)-1-random.Intn(8)]
			s.Size = uint64(len(s.Data))
		default:
			continue
		}
		var b bytes.Buffer
		if _, err := spec.WriteTo(&b); err != nil || bytes.Equal(b.Bytes(), file) {
			return mutant(t, random, file)
		}
		return b.Bytes(), what
	}
}

// reseal makes the digest anew.
func reseal(file []byte) ([]byte, bool) {
	f, err := elfobj.Parse(file)
	if err != nil {
		return nil, false
	}
	for s := range f.SectionsNamed(kerneltab.BuildIDNote) {
		if b, err := s.Data(); err != nil || len(b) != 36 {
			return nil, false
		}
		clear(file[s.Offset+16 : s.Offset+36])
		sum := sha256.Sum256(file)
		copy(file[s.Offset+16:], sum[:20])
		return file, true
	}
	return nil, false
}

// isLoaded reports whether two files differ in what the kernel loads: sections, relocations or symbols.
func isLoaded(a, b []byte) bool {
	x, errX := elfobj.Parse(a)
	y, errY := elfobj.Parse(b)
	if errX != nil || errY != nil || len(x.Sections) != len(y.Sections) {
		return true
	}
	for i, s := range x.Sections {
		o := y.Sections[i]
		if s.Name == kerneltab.BuildIDNote || s.Flags&elf.SHF_ALLOC == 0 && s.Type != elf.SHT_RELA && s.Type != elf.SHT_SYMTAB {
			continue
		}
		p, errP := s.Data()
		q, errQ := o.Data()
		if errP != nil || errQ != nil || !bytes.Equal(p, q) || s.Type != o.Type || s.Flags != o.Flags || s.Size != o.Size {
			return true
		}
	}
	return false
}
