package ktree

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIncludesOf(t *testing.T) {
	rows := []struct {
		text string
		want []include
	}{
		{"#include <a/b.h>\n", []include{{Name: "a/b.h", Always: true}}},
		{" # include \"b.h\" /* x */\n#include_next <c.h>", []include{{Name: "b.h", Quoted: true, Always: true}, {Name: "c.h"}}},
		{"#define X \"d.h\"\n#define Y <e.h>\n#define Z 1 < 2\n#define W(a) \"f.h\"\n", []include{{Name: "d.h"}, {Name: "e.h"}, {Name: "f.h"}}},
		{"#define TRACE_INCLUDE_FILE trace\n#undef TRACE_INCLUDE_FILE\n", []include{{Name: "trace.h"}}},
		{"#if defined(A) && __has_include(\"g.h\")\n#elif __has_include ( <h.h> )\n", []include{{Name: "g.h", Quoted: true}, {Name: "h.h"}}},
		{"asm(\".incbin \\\"x.bin\\\"\\n\");\n\t.incbin \"y.bin\"\n", []include{{Name: "x.bin"}, {Name: "y.bin"}}},
		{"#include X\n#include \"\n#\n#define\n#define A\nint include;\n", nil},
	}
	for _, r := range rows {
		if diff := cmp.Diff(r.want, includesOf([]byte(r.text))); diff != "" {
			t.Errorf("%q: %s", r.text, diff)
		}
	}
}

func FuzzIncludesOf(f *testing.F) {
	f.Add([]byte("#include <a.h>\n#define TRACE_INCLUDE_FILE x\n.incbin \"y\"\n#if __has_include(\"g.h\")"))
	f.Fuzz(func(t *testing.T, b []byte) { includesOf(b) })
}

// TestReach follows a small graph backwards.
func TestReach(t *testing.T) {
	g := &graph{Includes: map[string][]include{
		"include/linux/w.h": nil,
		"include/net/n.h":   {{Name: "linux/w.h"}},
		"fs/n.h":            nil,
		"fs/a.c":            {{Name: "n.h", Quoted: true}},
		"fs/b.c":            {{Name: "net/n.h"}},
		"lib/c.c":           {{Name: "../fs/n.h", Quoted: true}},
		"lib/d.c":           {{Name: "n.h", Quoted: true}},
	}}
	g.index()
	rows := []struct {
		name string
		want map[string]bool
	}{
		{"include/linux/w.h", map[string]bool{"include/linux/w.h": true, "include/net/n.h": true, "fs/b.c": true, "lib/d.c": true}},
		{"fs/n.h", map[string]bool{"fs/n.h": true, "fs/a.c": true, "lib/c.c": true, "lib/d.c": true}},
		{"none.h", map[string]bool{"none.h": true}},
	}
	for _, r := range rows {
		set := map[string]bool{}
		g.reach(r.name, set)
		if diff := cmp.Diff(r.want, set); diff != "" {
			t.Errorf("%s: %s", r.name, diff)
		}
	}
	if got, want := g.naming("include/n.h"), map[string]string{"lib/d.c": "n.h"}; !cmp.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
