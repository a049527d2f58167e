package elfdiff

import (
	"bytes"
	"sync"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/finding"
)

// TestShared has many goroutines ask everything of one diff, and compare the same two
// objects again: with the race detector, that nothing writes into what is shared. Each
// gets the same bytes.
func TestShared(t *testing.T) {
	for _, dir := range []string{"objects/", "types/gcc-"} {
		pre, post := mustOpen(t, "testdata/"+dir+"pre.o"), mustOpen(t, "testdata/"+dir+"post.o")
		d, err := Compare(pre, post, Options{Accept: allCodes()})
		if err != nil {
			t.Fatal(err)
		}
		want := everything(t, d)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if got := everything(t, d); !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes, and %d when others ask too", dir, len(want), len(got))
				}
				again, err := Compare(pre, post, Options{Accept: allCodes(), Types: true})
				if err != nil || len(again.Functions) != len(d.Functions) {
					t.Errorf("%s: compared again: %v", dir, err)
				}
			})
		}
		wg.Wait()
	}
}

// everything asks all that a diff answers, and returns the object that it makes.
func everything(t *testing.T, d *Diff) []byte {
	for i := range d.Functions {
		d.Explain(&d.Functions[i])
		d.SameCode(d.Functions[i].Post, d.Functions[0].Post)
	}
	for i := range d.Data {
		d.DataMembers(&d.Data[i])
	}
	_, _ = d.Types() // without debug information there are none
	d.TypeFindings()
	d.SetAside()
	d.Outcome()
	d.SameReference()
	x, err := Extract(d)
	if err != nil {
		return []byte(err.Error())
	}
	var b bytes.Buffer
	if _, err := x.WriteTo(&b); err != nil {
		t.Error(err)
	}
	return b.Bytes()
}

// allCodes accepts what can be accepted.
func allCodes() (list []Acceptance) {
	for _, c := range finding.Codes() {
		list = append(list, Acceptance{Code: c})
	}
	return list
}
