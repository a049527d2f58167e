package cbuild

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAction reads command lines of compilers, linkers and archivers.
func TestAction(t *testing.T) {
	for _, c := range []struct {
		line string
		want Action
	}{
		{"gcc -c -O2 -g a.c", Action{Kind: KindCompile, Sources: []string{"/d/a.c"}, Debug: true}},
		{"x86_64-linux-gnu-gcc-12 -DX -I inc -MT x.o -MD -MF .deps/x.Tpo -c -o x.o ../x.c", Action{Kind: KindCompile, Sources: []string{"/x.c"}, Output: "/d/x.o"}},
		{"gcc -x c -c -g -g0 -oz.o src", Action{Kind: KindCompile, Sources: []string{"/d/src"}, Output: "/d/z.o"}},
		{"g++ -flto -fno-lto -flto=auto -c a.cc", Action{Kind: KindCompile, Sources: []string{"/d/a.cc"}, LTO: true}},
		{"gcc -S a.c", Action{Kind: KindGenerate, Sources: []string{"/d/a.c"}}},
		{"gcc -E a.c -o b", Action{Kind: KindGenerate, Sources: []string{"/d/a.c"}, Output: "/d/b"}},
		{"gcc -M a.c", Action{}},
		{"gcc --version", Action{}},
		{"gcc -print-file-name=x a.c", Action{}},
		{"gcc -E -", Action{}},
		{"gcc -o prog a.o b.c -L lib -L/x -lfoo -l :bar.a -Wl,-z,now -pthread", Action{
			Kind: KindLink, Sources: []string{"/d/b.c"}, Inputs: []string{"/d/a.o"}, Output: "/d/prog", Search: []string{"/d/lib", "/x"}, Libs: []string{"foo", ":bar.a"},
		}},
		{"cc a.o", Action{Kind: KindLink, Inputs: []string{"/d/a.o"}, Output: "/d/a.out"}},
		{"gcc -shared -Wl,-soname,l.so.1 -o l.so.1.2 a.o", Action{Kind: KindLink, Inputs: []string{"/d/a.o"}, Output: "/d/l.so.1.2", Soname: "l.so.1", Shared: true}},
		{"gcc -shared -Wl,-soname=l.so.1 -Xlinker --build-id a.o", Action{Kind: KindLink, Inputs: []string{"/d/a.o"}, Output: "/d/a.out", Soname: "l.so.1", Shared: true}},
		{"ld -r -o all.o a.o b.o", Action{Kind: KindLink, Inputs: []string{"/d/a.o", "/d/b.o"}, Output: "/d/all.o", Partial: true, Linker: true}},
		{"ld.bfd -m elf_x86_64 -dynamic-linker /lib/ld.so -o p a.o", Action{Kind: KindLink, Inputs: []string{"/d/a.o"}, Output: "/d/p", Linker: true}},
		{"ar cru lib.a a.o b.o", Action{Kind: KindArchive, Output: "/d/lib.a", Inputs: []string{"/d/a.o", "/d/b.o"}}},
		{"gcc-ar --plugin x -rc lib.a a.o", Action{Kind: KindArchive, Output: "/d/lib.a", Inputs: []string{"/d/a.o"}}},
		{"ar rb old.o lib.a a.o", Action{Kind: KindArchive, Output: "/d/lib.a", Inputs: []string{"/d/a.o"}}},
		{"ar x ../lib.a", Action{Kind: KindExtract, Output: "/d", Inputs: []string{"/lib.a"}}},
		{"ar t lib.a", Action{}},
		{"ranlib lib.a", Action{}},
	} {
		words := strings.Fields(c.line)
		got := (&Command{Name: words[0], Dir: "/d", Args: words[1:]}).Action()
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.line, diff)
		}
	}
}

// TestForOne leaves of a command line what decides about one object.
func TestForOne(t *testing.T) {
	line := "-DA -o prog a.c b.c x.o -I inc -MD -MF f -Wp,-MD,g -L. -lfoo -Wl,-z,now -O2 -shared -fPIC"
	got := forOne(strings.Fields(line), &Command{Dir: "/d"}, "/d/b.c")
	if want := "-DA b.c -I inc -O2 -fPIC"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestParseDeps(t *testing.T) {
	got := parseDeps([]byte("x: a.c /usr/include/b.h \\\n inc/c\\ d.h $$e.h\\\n ../f\\#.h\ny: z\n"), "/s/t")
	want := []string{"/s/f#.h", "/s/t/$e.h", "/s/t/a.c", "/s/t/inc/c d.h", "/usr/include/b.h"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSplitWords(t *testing.T) {
	got := splitWords("a 'b c'\t\"d \\\" e\"\nf\\ g '' h")
	if diff := cmp.Diff([]string{"a", "b c", "d \" e", "f g", "", "h"}, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzParseRecord reads anything as a record, and what its call does.
func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(recordMagic + "\x00/bin/gcc\x00gcc\x00/d\x002\x00-c\x00@x\x001\x00x\x00-DA b.c\x00A=b\x00"))
	f.Add([]byte(recordMagic + "\x00/bin/ar\x00ar\x00/d\x002\x00rab\x00lib.a\x000\x00"))
	f.Add([]byte(recordMagic + "\x00/bin/ld\x00ld\x00/d\x009\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseRecord(b)
		if err != nil {
			return
		}
		a := c.Action()
		if len(a.Sources) > len(c.Args) || len(a.Inputs) > len(c.Args) {
			t.Errorf("%q: %+v", c.Args, a)
		}
		for _, s := range a.Sources {
			if got := forOne(c.Args, c, s); len(got) > len(c.Args) {
				t.Errorf("%q: %q", c.Args, got)
			}
		}
	})
}

// FuzzParseDeps reads anything as what a compiler says a source is made of.
func FuzzParseDeps(f *testing.F) {
	f.Add([]byte("x: a.c \\\n b.h\n"))
	f.Add([]byte("x: \\ $$ \\#\\"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range parseDeps(b, "/d") {
			if !strings.HasPrefix(p, "/") || bytes.ContainsRune([]byte(p), '\n') {
				t.Errorf("%q", p)
			}
		}
	})
}
