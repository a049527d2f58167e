//go:build linux && amd64

package process

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBigHeap reverts in a process with more memory than can be searched: what
// hands out no address of its own needs no search. What is no string of the program is one.
func TestBigHeap(t *testing.T) {
	for _, c := range []struct {
		name, step string
		heap       string // MiB
		kept       bool
	}{
		{"calls nothing", "-DLEAF", "1", false},
		{"calls nothing, much memory", "-DLEAF", "100", false},
		{"a string, little memory", "-DLIBC -DWORDS", "1", false},
		{"a string, more memory", "-DLIBC -DWORDS", "10", false},
		{"a string, much memory", "-DLIBC -DWORDS", "100", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := throwProgram(t, "heap-"+strings.ReplaceAll(c.name, " ", "-"), c.step, "main.c -DHEAP="+c.heap, "", false)
			v := start(t, b.program)
			v.ask(1)
			layout := v.layout()
			v.apply(v.update(b))
			v.ask(1)
			r := v.revert()
			for range 5 { // a word of a stack that goes away
				if r.State != Kept || c.kept {
					break
				}
				v.ask(2)
				r = v.revert()
			}
			if (r.State == Kept) != c.kept {
				t.Fatalf("%+v", r)
			}
			if !c.kept && v.layout() != layout {
				t.Errorf("mappings were\n%sand are\n%s", layout, v.layout())
			}
			t.Logf("stopped for %v", r.Pause)
		})
	}
}

// TestNotTracked reverts where the program can't be told what it writes, as by older
// kernels: here it may open no file. What is not too much is searched in a stop.
func TestNotTracked(t *testing.T) {
	for _, c := range []struct {
		heap string // MiB
		kept string
	}{
		{"10", ""},
		{"80", "too much to search"},
	} {
		t.Run(c.heap, func(t *testing.T) {
			b := throwProgram(t, "untracked-"+c.heap, "-DLIBC -DWORDS", "main.c -DHEAP="+c.heap, "", false)
			v := start(t, b.program)
			v.ask(1)
			if err := unix.Prlimit(v.pid, unix.RLIMIT_NOFILE, &unix.Rlimit{}, nil); err != nil {
				t.Fatal(err)
			}
			v.apply(v.update(b))
			v.ask(1)
			r := v.revert()
			for i := 0; i < 5 && r.State == Kept && c.kept == ""; i++ { // a word of a stack that goes away
				v.ask(2)
				r = v.revert()
			}
			if !strings.Contains(r.Kept, c.kept) || (r.Kept == "") != (c.kept == "") || r.Kept != "" && !strings.Contains(r.Kept, errNoTracking.Error()) {
				t.Errorf("kept: %q", r.Kept)
			}
		})
	}
}

// TestMovingPointer never unmaps what a program points to, although the pointer is
// moved about in a large heap while that is searched, in small pages and in huge
// ones.
func TestMovingPointer(t *testing.T) {
	for name, flags := range map[string]string{"small": "", "huge": " -DHUGE"} {
		t.Run(name, func(t *testing.T) {
			movePointer(t, throwProgram(t, "moving-"+name, "-DWORDS", "main.c -DMOVE -DHEAP=200"+flags, "-pthread", false))
		})
	}
}

func movePointer(t *testing.T, b built) {
	v := start(t, b.program)
	v.ask(1)
	v.apply(v.update(b))
	v.expect("applied", "100:moving|101:new words")
	tries := 6
	if testing.Short() {
		tries = 2
	}
	for range tries {
		if r := v.revert(); r.State != Kept {
			t.Fatalf("%+v", r)
		}
		v.expect("kept", "101:new words")
	}
	v.expect("dropped", "102:dropped")
	r := v.revert()
	for range 5 {
		if r.State != Kept {
			break
		}
		v.ask(2)
		r = v.revert()
	}
	if r.State == Kept {
		t.Errorf("%+v", r)
	}
	v.expect("reverted", "100:moving|101:old words|102:dropped")
}

// TestJoined joins what is near, and nothing else.
func TestJoined(t *testing.T) {
	got := joined([]extent{{0, 10}, {12, 20}, {20, 21}, {30, 40}}, 5)
	if want := []extent{{0, 21}, {30, 40}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
