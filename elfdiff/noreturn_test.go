package elfdiff

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestNoReturn has a function return that never did: callers in other objects have no code behind the call.
func TestNoReturn(t *testing.T) {
	testenv.Need(t, "gcc")
	const (
		never   = "extern void work(void); void die(int x) __attribute__((noreturn)); void die(int x) { work(); for (;;) work(); }"
		returns = "extern void work(void); void die(int x); void die(int x) { work(); if (x) return; for (;;) work(); }"
		another = "extern void work(void); void die(int x) __attribute__((noreturn)); void die(int x) { work(); for (;;) work(), work(); }"
	)
	for _, c := range []struct {
		name, pre, post string
		want            []Code
	}{
		{"it returns now", never, returns, []Code{CodeTypeSignature}},
		{"it returned before", returns, never, nil},
		{"it never does", never, another, nil},
	} {
		dir := t.TempDir()
		b := build{"gcc", []string{"-O2", "-g"}}
		pre, post := b.compile(t, filepath.Join(dir, "pre"), "unit.c", c.pre), b.compile(t, filepath.Join(dir, "post"), "unit.c", c.post)
		d, err := Compare(mustOpen(t, pre), mustOpen(t, post), Options{Types: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []Code
		for i := range d.Refusals {
			got = append(got, d.Refusals[i].Code)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
