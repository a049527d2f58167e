package splice_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
)

// TestNotWritten builds updates that would have to write to data of the program.
func TestNotWritten(t *testing.T) {
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	object := func(name, v string) *object.Object {
		src, out := filepath.Join(dir, name+".c"), filepath.Join(dir, name+".o")
		text := "const int table[3] = { 1, " + v + ", 3 }; int state = " + v + "; int f(int n) { return table[n % 3] + state; } int main(int n, char **v) { return f(n); }"
		if err := os.WriteFile(src, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		command(t, "gcc", "-O1", "-g", "-fdata-sections", "-fno-inline", "-c", "-o", out, src)
		o, err := elfdiff.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	pre, post := object("pre", "5"), object("post", "6")
	prog := filepath.Join(dir, "prog")
	command(t, "gcc", "-o", prog, filepath.Join(dir, "pre.o"))
	img := openELF(t, prog)
	match, err := reloc.Match(t.Context(), pre, img, reloc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	accept := []elfdiff.Acceptance{{Code: elfdiff.CodeDataChanged}, {Code: elfdiff.CodeConstShared}}
	for _, c := range []struct {
		name, symbol string
		opt          elfdiff.Options
	}{
		{"constant", "table", elfdiff.Options{InPlace: true, Accept: accept}},
		{"variable", "state", elfdiff.Options{Initials: true, Accept: accept}},
	} {
		d, err := elfdiff.Compare(pre, post, c.opt)
		if err != nil {
			t.Fatal(err)
		}
		_, err = splice.Build("written", splice.Part{Diff: d, Match: match, Image: img})
		var r *splice.Refusal
		if !errors.As(err, &r) || r.Code != splice.CodeNotWritten || r.Symbol != c.symbol || r.Hint == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
