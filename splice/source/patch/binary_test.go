package patch

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

// TestBinary reads patches with a binary file in them: that one is refused when it is applied, and others
// are not the worse for it.
func TestBinary(t *testing.T) {
	base := fstest.MapFS{"f": {Data: []byte("a\n")}, "d/x.png": {Data: []byte{0}}}
	for _, c := range []struct{ name, text string }{
		{"git", "diff --git a/d/x.png b/d/x.png\nindex 1..2 100644\nGIT binary patch\nliteral 3\nKcmZQzWMT#Y01f~L\n\nliteral 1\nIcmZPo000310RR91\n\n"},
		{"git, differs", "diff --git a/d/x.png b/d/x.png\nindex 1..2 100644\nBinary files a/d/x.png and b/d/x.png differ\n"},
		{"git, new", "diff --git a/d/x.png b/d/x.png\nnew file mode 100644\nindex 0..2\nBinary files /dev/null and b/d/x.png differ\n"},
		{"git, deleted", "diff --git a/d/x.png b/d/x.png\ndeleted file mode 100755\nindex 1..0\nGIT binary patch\nliteral 0\nHcmV?d00001\n\n"},
		{"git, renamed", "diff --git a/x.png b/d/x.png\nsimilarity index 50%\nrename from x.png\nrename to d/x.png\nindex 1..2 100644\nGIT binary patch\nliteral 0\nHcmV?d00001\n\n"},
		{"diff", "Binary files a/d/x.png and b/d/x.png differ\n"},
		{"diff, new", "Binary files /dev/null and b/d/x.png differ\n"},
		{"diff, deleted", "Binary files a/d/x.png and /dev/null differ\n"},
	} {
		change := "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"
		for _, text := range []string{c.text + change, change + c.text} {
			list, err := Read("p", strings.NewReader(text))
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			var e *ApplyError
			if err := NewTree(base).Apply(list[0]); !errors.As(err, &e) || e.Code != CodeBinary || e.File != "d/x.png" {
				t.Errorf("%s: applied: %v", c.name, err)
			}
			if err := NewTree(base).Apply(list[0].Reverse()); err == nil {
				t.Errorf("%s: reverse applied", c.name)
			}
			parts := list[0].ByFile()
			if len(parts) != 2 {
				t.Errorf("%s: %d files", c.name, len(parts))
				continue
			}
			for _, p := range parts {
				if err := NewTree(base).Apply(p); (err == nil) != (p.Files[0].Kind == Modified) {
					t.Errorf("%s: %s: %v", c.name, p.Name, err)
				}
			}
			again, err := Read("p", strings.NewReader(string(list[0].Diff())))
			if err != nil || again[0].Digest != list[0].Digest {
				t.Errorf("%s: its own diff: %v", c.name, err)
			}
		}
	}
}

func TestBinaryNames(t *testing.T) {
	for _, c := range []struct{ line, old, new string }{
		{"Binary files a/x and b/x differ", "a/x", "b/x"},
		{"Binary files a/x and y and b/x and y differ", "a/x and y", "b/x and y"},
		{"Binary files /dev/null and b/x and y differ", "/dev/null", "b/x and y"},
		{"Binary files a/x and b/y differ", "", ""},
		{"Binary files x and x differ", "", ""},
		{"Binary files /dev/null and /dev/null differ", "", ""},
		{"Binary files  and  differ", "", ""},
	} {
		if old, new := binaryNames(c.line); old != c.old || new != c.new {
			t.Errorf("%s: %q, %q", c.line, old, new)
		}
	}
}
