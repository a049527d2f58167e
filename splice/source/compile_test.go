package source

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/internal/ktree"
)

// TestSample takes some of a list, from all over it, and loses none.
func TestSample(t *testing.T) {
	for n, want := range map[int]string{0: "[]", 1: "[0]", 4: "[0 1 2 3]", 5: "[0 1 2 3]", 9: "[0 2 4 6]", 40: "[0 8 16 24 32]"} {
		list := make([]int, n)
		for i := range list {
			list[i] = i
		}
		some, rest := sample(list)
		if fmt.Sprint(some) != want {
			t.Errorf("of %d: %d, want %s", n, some, want)
		}
		if all := slices.Sorted(slices.Values(slices.Concat(some, rest))); !slices.Equal(all, list) {
			t.Errorf("of %d: %d in all", n, all)
		}
	}
}

// asked notes which objects it is asked about, and says that some are not affected.
type asked struct {
	subject
	unaffected func(i int) bool
	count      int
}

func (a *asked) Unaffected(_ context.Context, units []ktree.Unit, _ ktree.Overlay) ([]string, error) {
	why := make([]string, len(units))
	for k := range units {
		var i int
		fmt.Sscan(units[k].Object, &i)
		if a.count++; a.unaffected(i) {
			why[k] = "not affected"
		}
	}
	return why, nil
}

// TestLeaveOutUnaffected asks about all objects where some of the first are not affected, and about no more
// than these where all are.
func TestLeaveOutUnaffected(t *testing.T) {
	for _, c := range []struct {
		name       string
		unaffected func(int) bool
		asked      int
	}{
		{"all affected", func(int) bool { return false }, 7},
		{"none affected", func(int) bool { return true }, 56},
		{"few affected", func(i int) bool { return i%10 != 3 }, 56},
		{"nearly all affected", func(i int) bool { return i == 0 }, 7},
	} {
		list := make([]compiled, 60)
		for i := range list {
			u := &ktree.Unit{Object: fmt.Sprint(i), Source: "a.c", Command: "cc"}
			list[i].planned = &planned{pre: u, post: u}
			switch {
			case i >= 58: // its own source changes
				u.Source = "own.c"
			case i == 57: // it is made in another way
				list[i].planned.pre = &ktree.Unit{Command: "cc -g"}
			case i == 56: // it is new
				list[i].planned.pre = nil
			}
		}
		a := &asked{unaffected: c.unaffected}
		b := &Builder{subject: a}
		if err := b.leaveOutUnaffected(t.Context(), &Plan{overlay: ktree.Overlay{"own.c": nil}}, list); err != nil {
			t.Fatal(err)
		}
		if a.count != c.asked {
			t.Errorf("%s: asked about %d objects, want %d", c.name, a.count, c.asked)
		}
		for i := range list {
			if got := list[i].unaffected != ""; got && (i >= 56 || !c.unaffected(i)) || !got && c.asked == 56 && i < 56 && c.unaffected(i) {
				t.Errorf("%s: object %d: unaffected %v", c.name, i, got)
			}
		}
	}
}
