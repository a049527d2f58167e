package listing

import (
	"errors"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
)

// TestTypeRows wants every member of both sides in the rows, once.
func TestTypeRows(t *testing.T) {
	pre, err1 := elfdiff.Open("../testdata/types/gcc-pre.o")
	post, err2 := elfdiff.Open("../testdata/types/gcc-post.o")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := d.Types()
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		c := &list[i]
		var pre, post, changed int
		for _, r := range RowsOf(c) {
			pre += btoi(r.Pre != nil)
			post += btoi(r.Post != nil)
			changed += btoi(r.What != "")
			if r.Mark == Same && r.Pre.Name != r.Post.Name {
				t.Errorf("%s: %s beside %s", c.Name, r.Pre.Name, r.Post.Name)
			}
		}
		if pre != len(c.Pre.Members) || post != len(c.Post.Members) || changed != len(c.Members) {
			t.Errorf("%s: rows have %d, %d and %d members, want %d, %d and %d", c.Name, pre, post, changed, len(c.Pre.Members), len(c.Post.Members), len(c.Members))
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
