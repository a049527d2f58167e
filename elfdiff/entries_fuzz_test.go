package elfdiff_test

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// FuzzTables compares damaged objects that have tables about code, and extracts
// what differs.
func FuzzTables(f *testing.F) {
	if _, err := exec.LookPath("gcc"); err == nil {
		for _, flags := range [][]string{nil, {"-DADD=9"}, {`-DREPL="lfence"`}} {
			f.Add(tableFile(f), tableFile(f, flags...))
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		pre, err := elfdiff.NewObject(bytes.NewReader(a))
		if err != nil {
			return
		}
		post, err := elfdiff.NewObject(bytes.NewReader(b))
		if err != nil {
			return
		}
		d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
		if err != nil {
			return
		}
		x, err := elfdiff.Extract(d)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := x.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		if _, err := elfobj.Parse(out.Bytes()); err != nil {
			t.Fatalf("what Extract made can't be read: %v", err)
		}
	})
}
