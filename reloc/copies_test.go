package reloc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// linkKernel links objects as a kernel is: in the order given, as wholes, where
// kernels lie.
func linkKernel(t *testing.T, dir string, objects ...string) string {
	t.Helper()
	out := filepath.Join(dir, "vmlinux")
	gcc(t, append([]string{"-nostdlib", "-static", "-Wl,-e,0,--build-id=none,-Ttext=0xffffffff81000000", "-o", out}, objects...)...)
	return out
}

// kernelSource compiles a file of a kernel.
func kernelSource(t *testing.T, path, code string, args ...string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	o := path + ".o"
	gcc(t, append(args, "-O2", "-g0", "-w", "-fno-pic", "-mcmodel=kernel", "-fcf-protection=none", "-fno-asynchronous-unwind-tables", "-c", "-o", o, path)...)
	return o
}

// copied is a static function that each file has, between two that only this one
// has. Nothing leads to it but a variable.
const copied = `
int TAG_before(int x) { return x * 37 + VALUE; }
static int same(int x) { return x * 31 + 7; }
int TAG_after(int x) { return x * 41 + VALUE; }
int (*TAG_fn)(int) = same;
`

// TestChangedCopy changes one byte of a function of which other files have a copy.
// The copies, of files of other names and of the same, are not taken for it.
func TestChangedCopy(t *testing.T) {
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	var objects []string
	for i, name := range []string{"one.c", "two.c", "v4/udp.c", "v6/udp.c"} {
		tag := string(rune('a' + i))
		objects = append(objects, kernelSource(t, filepath.Join(dir, name), copied, "-DTAG_before="+tag+"_before", "-DTAG_after="+tag+"_after", "-DTAG_fn="+tag+"_fn", "-DVALUE="+string(rune('1'+i))+"000"))
	}
	img := mustImage(t, linkKernel(t, dir, objects...))
	for _, path := range objects {
		pre := mustOpen(t, path)
		for _, opt := range []Options{{}, {NoSymbols: true}} {
			clean := mustMatch(t, pre, img, opt)
			for i := range clean.Functions {
				f := &clean.Functions[i]
				if f.Verdict != Matched {
					t.Fatalf("%s: %s: %v", path, f.Name, f.Verdict)
				}
				bad := mustMatch(t, pre, withFlip(img, f.Address+5, 4), opt)
				for k := range bad.Functions {
					g := &bad.Functions[k]
					want := clean.Functions[k].Verdict
					if k == i {
						want = Mismatch
						if opt.NoSymbols {
							want = Absent // where it is was for its bytes to say
						}
					}
					if g.Verdict != want && (k != i || g.Verdict == Matched) {
						t.Errorf("%s, search %v: a change of %s: %s is %v at %#x, by %v, and should be %v", path, opt.NoSymbols, f.Name, g.Name, g.Verdict, g.Address, g.By, want)
					}
				}
			}
		}
	}
}

// TestWeakAlias matches a function with a strong name and a weak one, of which
// another file has a definition that counts.
func TestWeakAlias(t *testing.T) {
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	generic := kernelSource(t, filepath.Join(dir, "generic.c"), `
void hash(int *x) __attribute__((weak, alias("hash_generic")));
void hash_generic(int *x) { *x = *x * 31 + 7; }
int use(int *x) { hash(x); return *x + 1; }
`)
	arch := kernelSource(t, filepath.Join(dir, "arch.c"), "void hash(int *x) { *x = *x * 63 + 5; }\n")
	for _, objects := range [][]string{{generic, arch}, {arch, generic}} {
		img := mustImage(t, linkKernel(t, dir, objects...))
		r := mustMatch(t, mustOpen(t, generic), img, Options{})
		want := map[string]uint64{}
		for _, name := range []string{"hash", "hash_generic"} {
			want[name] = img.Lookup(name)[0].Addr
		}
		for i := range r.Functions {
			f := &r.Functions[i]
			if f.Verdict != Matched || f.Weak || f.Name == "hash_generic" && f.Address != want[f.Name] {
				t.Errorf("%s: %v at %#x, weak %v", f.Name, f.Verdict, f.Address, f.Weak)
			}
		}
		for _, v := range r.Symbols {
			if w, ok := want[v.Name]; ok && v.Address != w {
				t.Errorf("%s is %#x, and should be %#x", v.Name, v.Address, w)
			}
		}
	}
}

// padded has constants without symbols: where the second one starts depends on how
// long the first one is, and how much padding follows it does too.
const padded = `
	.section .rodata
	.balign 8
	.ascii FIRST
2:	.ascii SECOND
	.balign 8
3:	.quad 0x1122334455667788, 0x99aabbccddeeff00
	.text
	.globl f
	.type f, @function
f:	mov $2b, %rdi
	mov $3b, %rsi
	movabs $0x123456789abcdef, %rdx
	ret
	.size f, .-f
`

// TestPadding matches constants that padding follows, with another number of bytes
// of it in run.
func TestPadding(t *testing.T) {
	testenv.Need(t, "gcc")
	const long = `"abcdefghijklmnopq"`
	for _, tt := range []struct {
		name, first, second string
		want                Verdict
	}{
		{"same", `"12345"`, long, Matched},
		{"less padding", `"1234567"`, long, Matched},
		{"no padding", `"1234567890123456123456"`, long, Matched},
		{"other constant", `"1234567"`, `"abcdefghijklmnopx"`, Mismatch},
		{"longer constant", `"1234567"`, `"abcdefghijklmnopqr"`, Mismatch},
		{"shorter constant", `"12345"`, `"abcdefghijklmnop"`, Mismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			source := func(name, first, second string) string {
				path := filepath.Join(dir, name)
				code := "#define FIRST " + first + "\n#define SECOND " + second + "\n" + padded
				if err := os.WriteFile(path+".S", []byte(code), 0o600); err != nil {
					t.Fatal(err)
				}
				gcc(t, "-c", "-o", path+".o", path+".S")
				return path + ".o"
			}
			pre := source("pre", `"12345"`, long)
			run := linkKernel(t, dir, source("run", tt.first, tt.second))
			r := mustMatch(t, mustOpen(t, pre), mustImage(t, run), Options{})
			if f := &r.Functions[0]; f.Verdict != tt.want {
				t.Errorf("%v, and should be %v: %v", f.Verdict, tt.want, f.Mismatch)
			}
		})
	}
}
