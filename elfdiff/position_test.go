package elfdiff

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestPositions finds the text of the lines that a checked-in object was made
// from.
func TestPositions(t *testing.T) {
	src, err := os.ReadFile("testdata/objects/post.c")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(src), "\n")
	o, err := Open("testdata/objects/debug.o")
	if err != nil {
		t.Fatal(err)
	}
	p, err := PositionsOf(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range o.Functions() {
		rows := p.Rows(a)
		if len(rows) == 0 {
			t.Fatalf("%s has no rows", a.Name)
		}
		head := strings.Join(lines[max(rows[0].Line-2, 0):rows[0].Line], " ") // the name, and what may be the line of its brace
		if !strings.Contains(head, a.Name+"(") {
			t.Errorf("%s starts at %v: %q", a.Name, rows[0], head)
		}
		pos, ok := p.At(a, 0)
		if !ok || pos.Name() != "post.c" || pos.Dir == "" || !p.Own(a, 0) || !slices.Contains(rows, pos) {
			t.Errorf("%s: position %+v, %v, in %v", a.Name, pos, ok, rows)
		}
	}
}

func TestPositionName(t *testing.T) {
	for _, c := range []struct{ file, dir, want string }{
		{"/tree/fs/proc/meminfo.c", "/tree", "fs/proc/meminfo.c"},
		{"/tree/fs/proc/meminfo.c", "/tree/", "fs/proc/meminfo.c"},
		{"/trees/a.c", "/tree", "/trees/a.c"},
		{"/usr/include/a.h", "", "/usr/include/a.h"},
		{"/a.c", "/", "a.c"},
	} {
		if got := (Position{File: c.file, Dir: c.dir, Line: 1}).Name(); got != c.want {
			t.Errorf("%s in %s is named %s, want %s", c.file, c.dir, got, c.want)
		}
	}
}

// TestNoPositions wants an error, not positions that are none.
func TestNoPositions(t *testing.T) {
	o, err := Open("testdata/objects/pre.o")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := PositionsOf(o); err == nil || p != nil {
		t.Errorf("positions %v, error %v", p, err)
	}
}
