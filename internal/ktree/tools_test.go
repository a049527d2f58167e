package ktree

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
)

const (
	gcc12   = "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"
	plain12 = "gcc (Debian 12.2.0-14+deb12u1) 12.2.0"
	clang14 = "Debian clang version 14.0.6"
)

// program writes a program that says something.
func program(t *testing.T, dir, name, says string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("#!/bin/sh\necho '"+says+"'\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
}

func TestCompiler(t *testing.T) {
	for _, c := range []struct{ cc, config, command, program, wanted, pkg string }{
		{"", gcc12, "gcc-12", "gcc-12", gcc12, "gcc-12"},
		{"ccache gcc-12", gcc12, "ccache gcc-12", "gcc-12", gcc12, "gcc-12"},
		{"CCACHE_DIR=x ccache gcc -m64", gcc12, "CCACHE_DIR=x ccache gcc -m64", "gcc", gcc12, "gcc-12"},
		{"", clang14, "clang-14", "clang-14", clang14, "clang-14"},
		{"", "x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0", "x86_64-linux-gnu-gcc-14", "x86_64-linux-gnu-gcc-14", "x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0", "gcc-14"},
		{"", "", "gcc", "gcc", "", ""},
	} {
		config := ""
		if c.config != "" {
			config = "# a comment\nCONFIG_CC_VERSION_TEXT=\"" + c.config + "\"\n"
		}
		got := newCompiler(c.cc, []byte(config))
		if want := (compiler{c.command, c.program, c.wanted, c.pkg}); got != want {
			t.Errorf("%q, %q: %+v, want %+v", c.cc, c.config, got, want)
		}
	}
}

func TestSameCompiler(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{gcc12, plain12, true}, {plain12, "GCC: (Debian 12.2.0-14+deb12u1) 12.2.0", true}, {gcc12, gcc12, true}, {clang14, clang14, true},
		{gcc12, "gcc-12 (Debian 12.2.0-14) 12.2.0", false}, {gcc12, clang14, false}, {clang14, "Debian clang version 14.0.5", false}, {"", gcc12, false},
	} {
		if sameCompiler(c.a, c.b) != c.same {
			t.Errorf("%q and %q: want %v", c.a, c.b, c.same)
		}
	}
}

func TestCheckCompiler(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	program(t, dir, "gcc-9", "gcc-9 (Debian 9.3) 9.3.0")
	program(t, dir, "good", plain12)
	if err := os.WriteFile(filepath.Join(dir, "broken"), []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := []byte("CONFIG_CC_VERSION_TEXT=\"" + gcc12 + "\"\n")
	for _, c := range []struct{ cc, comment, want string }{
		{"good", "", ""},
		{"good", "GCC: (Debian 12.2.0-14+deb12u1) 12.2.0", ""},
		{"good", "GCC: (Debian 12.2.0-13) 12.2.0", "12.2.0-13"},
		{"gcc-9", "", `gcc-9 here is "gcc-9 (Debian 9.3) 9.3.0"`},
		{"no-such-compiler", "", "there is no no-such-compiler here"},
		{"broken", "", "can't be run"},
	} {
		cache, err := deb.NewCache(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		tree := &Tree{spec: Spec{CC: c.cc, Comment: c.comment}, cache: cache}
		err = tree.checkCompiler(t.Context(), config)
		if c.want == "" {
			if err != nil || tree.compiler != plain12 {
				t.Errorf("%s: %q, %v", c.cc, tree.compiler, err)
			}
			continue
		}
		var e *CompilerError
		if !errors.As(err, &e) || !errors.Is(err, ErrCompiler) || errors.Is(err, ErrMissing) != (c.cc == "no-such-compiler") {
			t.Errorf("%s: %v", c.cc, err)
			continue
		}
		for _, part := range []string{c.want, "apt-get install --no-install-recommends gcc-12", "-cc COMMAND", "-buildroot DIR"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q in it", c.cc, err, part)
			}
		}
	}
}

// TestCheckTools looks in an empty folder, and on this system without a single program.
func TestCheckTools(t *testing.T) {
	root := t.TempDir()
	config := []byte("CONFIG_DEBUG_INFO_BTF=y\nCONFIG_MODULE_SIG=y\n")
	err := (&Tree{spec: Spec{Buildroot: root, Source: root}}).checkTools(config)
	var e *MissingError
	if !errors.As(err, &e) || !errors.Is(err, ErrMissing) || e.Buildroot != root {
		t.Fatalf("%v, want a MissingError", err)
	}
	want := []string{"bc", "binutils", "bison", "dwarves", "flex", "gcc", "libc6-dev", "libelf-dev", "libssl-dev", "make", "perl", "python3"}
	if !slices.Equal(e.Packages, want) || !strings.Contains(err.Error(), "chroot "+root+" apt-get install --no-install-recommends "+strings.Join(want, " ")) {
		t.Errorf("%v", err)
	}
	for _, n := range []string{"make", "flex", "bison", "bc", "gcc", "ld", "perl"} {
		program(t, root, "usr/bin/"+n, "")
	}
	program(t, root, "usr/include/stdlib.h", "")
	program(t, root, "usr/include/x86_64-linux-gnu/openssl/opensslv.h", "")
	if err := (&Tree{spec: Spec{Buildroot: root, Source: root}}).checkTools([]byte("CONFIG_MODULE_SIG=y\n")); err != nil {
		t.Error(err)
	}
	t.Setenv("PATH", t.TempDir())
	archive := filepath.Join(t.TempDir(), "linux.tar.xz")
	if err := os.WriteFile(archive, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err = (&Tree{spec: Spec{Buildroot: root, Source: archive}}).checkTools(nil)
	if !errors.As(err, &e) || !slices.Equal(e.Packages, []string{"tar", "xz-utils"}) {
		t.Errorf("nothing that unpacks: %v", err)
	}
	err = (&Tree{spec: Spec{Source: root}}).checkTools([]byte("CONFIG_CC_VERSION_TEXT=\"" + gcc12 + "\"\n"))
	if !errors.As(err, &e) || !slices.Contains(e.Packages, "gcc-12") {
		t.Errorf("one line installs the compiler too: %v", err)
	}
}
