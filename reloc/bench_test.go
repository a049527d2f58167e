package reloc

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/reloc/image"
)

// bigProgram builds a program of 2,000 functions with loops, switches, strings,
// calls and variables; with -short of 100, as the compiler takes long.
func bigProgram(b *testing.B) built {
	b.Helper()
	n := 2000
	if testing.Short() {
		n = 100
	}
	var src strings.Builder
	src.WriteString("#include <stdio.h>\nextern long sink[];\nlong sink[64];\n")
	for i := range n {
		fmt.Fprintf(&src, `static int state%[1]d = %[1]d;
__attribute__((noinline)) static long work%[1]d(long a, long b)
{
	long sum = a * %[2]d + state%[1]d;
	for (long i = 0; i < b; i++) {
		switch ((a + i) %% 7) {
		case 0: sum += i * %[3]d; break;
		case 1: sum ^= b << %[4]d; break;
		case 2: sink[i & 63] += sum; break;
		case 3: state%[1]d += sum / %[5]d; break;
		case 4: printf("work%[1]d %%ld\n", sum); break;
		case 5: sum -= sink[(i + %[4]d) & 63]; break;
		}
	}
	return sum%[6]s;
}
`, i, i*7+3, i%97+2, i%13+1, i%31+3, map[bool]string{true: fmt.Sprintf(" + work%d(sum, b - 1)", i-1)}[i > 0])
	}
	fmt.Fprintf(&src, "int main(int c, char **v) { return (int)work%d(c, 3); }\n", n-1)
	out := built{dir: b.TempDir()}
	path := filepath.Join(out.dir, "big.c")
	if err := os.WriteFile(path, []byte(src.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	o := filepath.Join(out.dir, "big.o")
	gcc(b, "-O1", "-g0", "-fPIE", "-c", "-o", o, path)
	out.objects = []string{o}
	out.link(b, []string{"-pie", o})
	return out
}

// BenchmarkMatch matches an object of many functions; MB/s are of its code.
func BenchmarkMatch(b *testing.B) {
	big := bigProgram(b)
	for _, bb := range []struct {
		name string
		path string
		opt  Options
	}{{"symbols", big.image, Options{}}, {"search", big.stripped, Options{}}} {
		b.Run(bb.name, func(b *testing.B) {
			pre := mustOpen(b, big.objects[0])
			img := mustImage(b, bb.path)
			text := uint64(0)
			for _, a := range pre.Functions() {
				text += a.Size
			}
			b.SetBytes(int64(text))
			b.ReportAllocs()
			for b.Loop() {
				r, err := Match(context.Background(), pre, img, bb.opt)
				if err != nil {
					b.Fatal(err)
				}
				if !r.AllMatched() {
					b.Fatal("not all functions matched")
				}
			}
		})
	}
}

// BenchmarkSearchText is the pass over executable memory, for an object of
// which nothing is there: MB/s are of the memory.
func BenchmarkSearchText(b *testing.B) {
	big := bigProgram(b)
	pre := mustOpen(b, "testdata/tiny.o")
	img := mustImage(b, big.stripped)
	text := uint64(0)
	for _, r := range img.Regions() {
		if r.Exec {
			text += r.End - r.Start
		}
	}
	b.SetBytes(int64(text))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Match(context.Background(), pre, img, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenELF opens a program with its symbols.
func BenchmarkOpenELF(b *testing.B) {
	big := bigProgram(b)
	b.ReportAllocs()
	for b.Loop() {
		img, err := image.OpenELF(big.image)
		if err != nil {
			b.Fatal(err)
		}
		img.Close()
	}
}
