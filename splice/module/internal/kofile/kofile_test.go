package kofile_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
	"github.com/gosplice/gosplice/splice/module/internal/kofile/kofiletest"
)

var patches = []kofile.Patch{
	{Objects: []kofile.Object{{Functions: []kofile.Function{{Name: "one"}}}}},
	{Replace: true, Objects: []kofile.Object{{Functions: []kofile.Function{{Name: "one"}, {Name: "two", Position: 3}, {Name: "three"}}}}},
	{Objects: []kofile.Object{{Functions: []kofile.Function{{Name: "one"}, {Name: "two"}}}, {Name: "8021q", Functions: []kofile.Function{{Name: "one", Position: 1}}}, {Name: "xfs", Functions: []kofile.Function{{Name: "a"}, {Name: "b"}}}}},
	{Replace: true, States: []kofile.State{{ID: 5, Version: 1}, {ID: 1 << 40, Version: 7}}, Objects: []kofile.Object{{Functions: []kofile.Function{{Name: "one"}}}}},
	{Objects: []kofile.Object{{Functions: []kofile.Function{}}}}, // all functions are taken over in another way
}

// TestPatch reads patches with the size of their rows, and without.
func TestPatch(t *testing.T) {
	for i, want := range patches {
		b, err := kofiletest.Plain("fix", want)
		if err != nil {
			t.Fatal(err)
		}
		f, err := kofile.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []uint64{0, 152} {
			got, err := f.Patch(size)
			if err != nil {
				t.Fatalf("%d: %v", i, err)
			}
			if diff := cmp.Diff(&want, got, cmpopts.IgnoreTypes(kofile.Place{})); diff != "" {
				t.Errorf("%d, size %d: %s", i, size, diff)
			}
		}
		if c, err := f.Checks("fix"); err == nil {
			t.Errorf("%d: checks %v", i, c)
		}
		if j, err := f.Jumps("fix", ""); err != nil || j != nil {
			t.Errorf("%d: jumps %v, %v", i, j, err)
		}
	}
	b, err := kofiletest.Plain("fix", kofile.Patch{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := kofile.Parse(b)
	if err == nil {
		_, err = f.Patch(0)
	}
	if !errors.Is(err, kofile.ErrNoPatch) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range patches {
		b, err := kofiletest.Plain("fix", p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		testenv.Bounded(t, len(b), func() {
			x, err := kofile.Parse(b)
			if err != nil {
				return
			}
			x.Patch(0)
			x.Patch(152)
			x.Checks("fix")
			x.Jumps("fix", "")
		})
	})
}
