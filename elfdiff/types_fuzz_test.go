package elfdiff

import (
	"bytes"
	"os"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// FuzzTypes compares the types of arbitrary objects, explains what changed, and
// names the members of data.
func FuzzTypes(f *testing.F) {
	for _, cc := range []string{"gcc", "clang", "inlined"} {
		var pair [2][]byte
		for i, side := range []string{"pre", "post"} {
			b, err := os.ReadFile("testdata/types/" + cc + "-" + side + ".o")
			if err != nil {
				f.Fatal(err)
			}
			pair[i] = b
		}
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, pre, post []byte) {
		p, err := NewObject(bytes.NewReader(pre))
		if err != nil {
			return
		}
		q, err := NewObject(bytes.NewReader(post))
		if err != nil {
			return
		}
		for _, pair := range [][2]*object.Object{{p, q}, {q, p}, {p, p}} {
			askTypes(pair[0], pair[1])
		}
	})
}

func askTypes(p, q *object.Object) {
	d, err := Compare(p, q, Options{Types: true})
	if err != nil {
		return
	}
	list, _ := d.Types()
	for i := range list {
		_ = list[i].String()
		RowsOf(&list[i])
	}
	for i := range d.Functions {
		d.Explain(&d.Functions[i])
	}
	for i := range d.Data {
		d.DataMembers(&d.Data[i])
	}
	for i := range q.Atoms {
		MemberAt(q, object.AtomID(i), q.Atoms[i].Size/2)
	}
}

// TestTypesDamaged turns over bytes of debug information.
func TestTypesDamaged(t *testing.T) {
	testenv.Serial(t)
	for _, cc := range []string{"gcc", "clang"} {
		post := mustOpen(t, "testdata/types/"+cc+"-post.o")
		b, err := os.ReadFile("testdata/types/" + cc + "-pre.o")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range mustOpen(t, "testdata/types/"+cc+"-pre.o").File.Sections {
			if s.Offset == 0 || s.Size == 0 || len(s.Name) < 6 || s.Name[:6] != ".debug" && s.Name[:6] != ".rela." {
				continue
			}
			for off := s.Offset; off < s.Offset+s.Size; off += 1 + s.Size/40 {
				c := bytes.Clone(b)
				c[off] ^= 0xff
				if p, err := NewObject(bytes.NewReader(c)); err == nil {
					askTypes(p, post)
				}
			}
		}
	}
}
