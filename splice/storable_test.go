package splice

import (
	"bytes"
	"testing"
)

// TestStorable: names of symbols and files are bytes. An update that has such is stored so that it can be
// read again, and has its ID before as after.
func TestStorable(t *testing.T) {
	const odd = "\x9bname\xff\xff"
	u := &Update{Format: UpdateFormat, Name: odd, Modules: []Module{{Name: odd, Path: "/" + odd, BuildID: "00"}}, Objects: []Object{}}
	u.storable()
	var b bytes.Buffer
	if _, err := u.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	got, err := ReadUpdate(&b)
	if err != nil || got.ID() != u.ID() || got.Name != u.Name || got.Modules[0] != u.Modules[0] {
		t.Errorf("%+v, %v", got, err)
	}
	o := Object{Name: odd, Imports: []Import{{Name: odd}}, Redirects: []Redirect{{Function: odd}}}
	u.Objects = append(u.Objects, o)
	u.storable()
	for _, s := range []string{u.Objects[0].Name, o.Imports[0].Name, o.Redirects[0].Function} {
		if s != "\ufffdname\ufffd" {
			t.Errorf("%q", s)
		}
	}
}
