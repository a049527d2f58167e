package ktree

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMissesFile tells errors about files that the build makes on the way, as compilers and assemblers
// have them.
func TestMissesFile(t *testing.T) {
	for said, want := range map[string]bool{
		"a.c:3:2: fatal error: a.h: No such file or directory":                             true,
		"a.c:3:2: fatal error: 'a.h' file not found":                                       true,
		"/tmp/c.s: Assembler messages:\n/tmp/c.s:4: Error: file not found: kernel/data.gz": true,
		"<inline asm>:1:9: error: Could not find incbin file 'kernel/data.gz'":             true,
		"a.c:3:2: error: 'a' undeclared":                                                   false,
	} {
		if got := missesFile(newCompileError("a.c", []byte(said), errors.New("status 1")).Text); got != want {
			t.Errorf("%q: %v", said, got)
		}
	}
}

// TestCompileErrorNames takes what is missing from the errors of compilers, as these have
// them in several languages.
func TestCompileErrorNames(t *testing.T) {
	for _, c := range []struct{ said, names string }{
		{"a.c:3:2: error: implicit declaration of function 'spte_to_child_sp'; did you mean 'x'? [-Werror=implicit-function-declaration]", "spte_to_child_sp x"},
		{"a.c:3:2: error: ‘struct hid_device’ has no member named ‘size’", "hid_device size struct"},
		{"a.c:3:2: fatal error: linux/new.h: No such file or directory", "linux/new.h"},
		{"a.c:3:2: fatal error: 'linux/new.h' file not found", "linux/new.h"},
		{"a.c:3:2: note: expected 'u8'", ""},
		{"a.c:3:2: error: a\na.c:4:1: error: b 'c'\na.c:5:1: error: 'd'\na.c:6:1: error: 'e'", "c d e"},
	} {
		e := newCompileError("a.c", []byte(c.said), errors.New("status 1"))
		for _, name := range strings.Fields(c.names) {
			if !strings.Contains(" "+strings.Join(e.Names, " ")+" ", " "+name+" ") {
				t.Errorf("%q: %q, want %s", c.said, e.Names, c.names)
			}
		}
		if c.names == "" && len(e.Names) > 0 {
			t.Errorf("%q: %q", c.said, e.Names)
		}
	}
	e := newCompileError("a.c", []byte("a.c:9:2: error: 'b' undeclared"), errors.New("status 1"))
	if diff := cmp.Diff(&CompileError{Source: "a.c", File: "a.c", Line: 9, Text: "a.c:9: 'b' undeclared", Names: []string{"b"}}, e); diff != "" {
		t.Error(diff)
	}
}
