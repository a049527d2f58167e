package splice

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// ID returns what identifies the update: the SHA-256 of its canonical form, in
// hexadecimal. See [Update.WriteCanonical].
func (u *Update) ID() string {
	sum := sha256.New()
	if err := u.WriteCanonical(sum); err != nil {
		panic("splice: an Update is always JSON: " + err.Error()) // plain data
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// WriteCanonical writes the canonical form of the update: what it does, without what
// it was made from. Who reviews a stored update can check its ID with
//
//	hotpatch -canonical update.json | sha256sum
//
// It is the JSON of the update on one line that ends with a line feed, without
// spaces between tokens, fields in the order of the structures, and these empty:
//
//   - the names of the objects it was made from
//   - the paths of the modules; their names, and which is the program, where they
//     have a build-id
//   - what singled out the functions in run
//   - what a person has accepted
//   - what it is said to fix
func (u *Update) WriteCanonical(w io.Writer) error {
	c := *u
	c.Accepted, c.Fixes = nil, nil
	c.Modules = make([]Module, len(u.Modules))
	for i, m := range u.Modules {
		if m.Path = ""; m.BuildID != "" {
			m = Module{BuildID: m.BuildID}
		}
		c.Modules[i] = m
	}
	c.Objects = make([]Object, len(u.Objects))
	for i, o := range u.Objects {
		c.Objects[i] = o.canonical()
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(&c); err != nil {
		return fmt.Errorf("canonical form: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// canonical returns the object without what it was made from. Lists are there also
// where they are empty.
func (o Object) canonical() Object {
	o.Name = ""
	o.Imports = append([]Import{}, o.Imports...)
	o.Redirects = append([]Redirect{}, o.Redirects...)
	for i := range o.Redirects {
		o.Redirects[i].By = ""
	}
	return o
}

// storedUpdate is what a file holds: the update, and its ID, so that who reads the
// file sees it, and damage is found.
type storedUpdate struct {
	ID string `json:"id,omitempty"`
	*Update
}
