package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/splice/module/internal/kofile"
	"github.com/gosplice/gosplice/splice/module/lint"
	"github.com/gosplice/gosplice/splice/module/running"
)

// An Entry is an update that the store has. What is said of it is what its file says.
type Entry struct {
	Name    string `json:"name"`    // of the module
	Digest  string `json:"digest"`  // SHA-256 of the file, hexadecimal
	ID      string `json:"id"`      // of the update; "" of modules that others made
	Kernel  string `json:"kernel"`  // build-id of the kernel that it is for; "" of modules that others made
	Release string `json:"release"` // of that kernel, as vermagic has it
	Size    int64  `json:"size"`    // of the file, bytes
	// Cumulative is set when it takes the place of all livepatches.
	Cumulative bool     `json:"cumulative"`
	Fixes      []string `json:"fixes"` // never null
	// Beside is set when its signature stands beside the file, and Signer is the key that it was
	// added by, "" for none.
	Beside  bool   `json:"beside"`
	Signer  string `json:"signer"`
	Enabled bool   `json:"enabled"` // it is loaded at boot
}

// Fits reports whether an update is for the kernel of a machine: by its build-id, or where it
// names none, by the release, as the kernel itself has it.
func (e *Entry) Fits(m *Machine) bool {
	if m == nil {
		return false
	}
	if e.Kernel != "" {
		return e.Kernel == m.Kernel
	}
	return e.Release == m.Release
}

// digestOf names a file.
func digestOf(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

const (
	updates    = "updates"
	updateExt  = ".ko"
	besideExt  = ".p7s"
	indexName  = "index.json"
	digestSize = 2 * sha256.Size // letters
)

func (e *Entry) file() string   { return path.Join(updates, e.Digest+updateExt) }
func (e *Entry) beside() string { return path.Join(updates, e.Digest+besideExt) }

// read takes what a file says of itself. The error is that of package running, or of lint where
// the file is damaged.
func read(file []byte) (*Entry, *running.File, error) {
	f, err := running.ReadFile(bytes.NewReader(file))
	if err != nil {
		return nil, nil, err
	}
	if err := lint.Sealed(file); err != nil {
		return nil, nil, err
	}
	release, _, _ := strings.Cut(f.Magic, " ")
	e := &Entry{Name: f.Name, Digest: digestOf(file), ID: f.ID(), Release: release, Size: int64(len(file)), Fixes: []string{}, Enabled: true}
	if f.Module != nil {
		e.Kernel = f.Module.Kernel
		if o := f.Module.Origin; o != nil {
			e.Fixes = append(e.Fixes, o.Fixes...)
		}
	}
	k, err := kofile.Parse(file)
	if err != nil {
		return nil, nil, err
	}
	if p, err := k.Patch(0); err == nil { // else it is put together as it is loaded: nobody knows
		e.Cumulative = p.Replace
	}
	return e, f, nil
}

// same reports whether two say the same of a file.
func (e *Entry) same(o *Entry) bool {
	return e.Name == o.Name && e.Digest == o.Digest && e.ID == o.ID && e.Kernel == o.Kernel && e.Release == o.Release &&
		e.Size == o.Size && e.Cumulative == o.Cumulative && slices.Equal(e.Fixes, o.Fixes)
}

// open reads the update of an entry, and refuses it where it is not what the index says, or what
// the policy takes.
func (s *Store) open(e *Entry, p *Policy) (*running.File, error) {
	file, err := s.disk.read(e.file(), maxUpdate)
	if err != nil {
		return nil, gone(e, err)
	}
	if digest := digestOf(file); digest != e.Digest {
		return nil, refuse(CodeDamaged, e.Name, "its file has the digest %.12s, and the index %.12s", digest, e.Digest)
	}
	var beside []byte
	if e.Beside {
		if beside, err = s.disk.read(e.beside(), maxSignature); err != nil {
			return nil, gone(e, err)
		}
	}
	if _, err := p.signer(e.Name, file, beside); err != nil {
		return nil, err
	}
	now, f, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Name, err)
	}
	if !now.same(e) {
		return nil, refuse(CodeDamaged, e.Name, "the index says something else of it than its file")
	}
	if r := p.mayJoin(e); r != nil {
		return nil, r
	}
	return f, nil
}

// gone says that what the index names is not there.
func gone(e *Entry, err error) error {
	if missing(err) {
		return refuseBy(err, CodeDamaged, e.Name, "the index has it, and its file is gone")
	}
	return err
}

// index is what the store has, in the order in which updates are loaded.
type index struct {
	Schema  int     `json:"schema"`
	Entries []Entry `json:"entries"`
}

func (s *Store) index() (*index, error) {
	x := &index{}
	err := s.load(indexName, x)
	if missing(err) {
		return &index{Schema, []Entry{}}, nil
	}
	if err == nil {
		if wrong := x.check(); wrong != nil {
			err = refuseBy(wrong, CodeDamaged, indexName, "it makes no sense")
		}
	}
	return x, err
}

func (x *index) check() error {
	if x.Schema != Schema {
		return fmt.Errorf("its version is %d, and not %d", x.Schema, Schema)
	}
	for i := range x.Entries {
		e := &x.Entries[i]
		switch b, err := hex.DecodeString(e.Digest); {
		case err != nil || len(b) != sha256.Size || hex.EncodeToString(b) != e.Digest:
			return fmt.Errorf("%.80q is no digest", e.Digest)
		case slices.ContainsFunc(x.Entries[:i], func(o Entry) bool { return o.Digest == e.Digest }):
			return fmt.Errorf("it has %.12s twice", e.Digest)
		case e.Fixes == nil:
			return fmt.Errorf("%.12s has no list of fixes", e.Digest)
		}
	}
	return nil
}

// minPrefix is how much of a digest or an ID names an update, in letters.
const minPrefix = 8

// find returns the one entry with a name, or a digest or an ID that begins so.
func (x *index) find(name string) (int, error) {
	var found []int
	for i := range x.Entries {
		e := &x.Entries[i]
		if e.Name == name || len(name) >= minPrefix && (strings.HasPrefix(e.Digest, name) || strings.HasPrefix(e.ID, name)) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		return 0, refuse(CodeNone, name, "the store has no such update")
	case 1:
		return found[0], nil
	}
	return 0, refuse(CodeSeveral, name, "%d updates have that name, for several kernels", len(found))
}
