package ktree

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Objects are kept by content. Of an object, a folder has
//
//	DIGEST.deps   a list of files that it was made of once; there are few
//	KEY.made      what was made, once for each content of the files of a list
//	KEY.failed    why there is none, see cache_failures.go
//	KEY.same      why nothing that it has differs from the tree's, empty where something may
//	DIGEST.o      an object
//	COMMAND.i.zst what the preprocessor makes of it in the tree as it is
//	tree.deps     what it is made of in the tree as it is
//
// A key is made of the command, a list, and what an overlay has of the list. An overlay has the
// same object if the key of one of the lists is there. The tree, compiler and objtool
// are in the tree's ID. All files are whole when they take their names, and nobody changes one.

// An edition is an overlay, with what all objects ask of it.
type edition struct {
	overlay Overlay
	digests map[string]string // of contents, by path; "" for what is deleted
	// moved are the files that the tree does not have, or that are deleted, by the last part of
	// their names: they may take the place of others, or leave it to them.
	moved map[string][]string
	whole string // digest of all of it
}

func (t *Tree) edition(o Overlay) (*edition, error) {
	e := &edition{overlay: o, digests: make(map[string]string, len(o)), moved: map[string][]string{}}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if name == "." || path.Clean(name) != name || !filepath.IsLocal(filepath.FromSlash(name)) {
			return nil, fmt.Errorf("%q is no file of the tree", name)
		}
		_, err := t.Stat(name)
		if err != nil && ignoreMissing(err) != nil {
			return nil, err
		}
		if o[name] == nil || err != nil {
			e.moved[path.Base(name)] = append(e.moved[path.Base(name)], name)
		}
		if o[name] != nil {
			e.digests[name] = digest(o[name])
		} else {
			e.digests[name] = ""
		}
		fmt.Fprintf(h, "%s\x00%s\x00", name, e.digests[name])
	}
	e.whole = fmt.Sprintf("%x", h.Sum(nil)[:digestSize])
	return e, nil
}

// digestSize is how many bytes of a SHA-256 stand for a content.
const digestSize = 20

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%x", sum[:digestSize])
}

// key identifies what an object is made of, as far as it is not the tree's.
func (e *edition) key(u *Unit, list []string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%d\x00", u.Command, u.Objtool, len(list))
	if u.Make != nil {
		fmt.Fprintf(h, "%q\x00", u.Make)
	}
	if slices.Contains(list, Everything) {
		fmt.Fprint(h, e.whole)
	}
	for _, name := range list {
		fmt.Fprintf(h, "%s\x00", name)
		if sum, ok := e.digests[name]; ok {
			fmt.Fprintf(h, "%s\x00", sum)
		}
		for _, moved := range e.moved[path.Base(name)] {
			fmt.Fprintf(h, "%s %t\x00", moved, e.overlay[moved] == nil)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:digestSize])
}

// Everything stands in a list for all files: nobody knows which ones matter.
const Everything = "*"

// A made is what there is of an object.
type made struct {
	Object string        `json:"object"` // digest
	Size   int64         `json:"size"`   // bytes
	Took   time.Duration `json:"took"`   // nanoseconds
}

// folder is where what is kept of an object lies.
func (t *Tree) folder(u *Unit) string {
	return filepath.Join(t.cache.Dir(), "ktree-objects", t.id, filepath.FromSlash(u.Object))
}

// lists calls a function for the lists of an object until it returns true.
func (t *Tree) lists(u *Unit, f func(list []string) (bool, error)) error {
	dir := t.folder(u)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreMissing(err)
	}
	for _, d := range entries {
		if !strings.HasSuffix(d.Name(), ".deps") || d.Name() == treeDeps {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, d.Name()))
		if err != nil {
			return err
		}
		if digest(text)+".deps" != d.Name() {
			continue // the machine lost its power
		}
		if done, err := f(strings.Split(string(text), "\n")); done || err != nil {
			return err
		}
	}
	return nil
}

// kept looks for an object that was made of the same.
func (t *Tree) kept(u *Unit, e *edition) (name string, ok bool, err error) {
	err = t.lists(u, func(list []string) (bool, error) {
		name, ok, err = whole(t.folder(u), e.key(u, list))
		return ok, err
	})
	return name, ok, err
}

// whole returns the object of a key, if it is there and what was written.
func whole(dir, key string) (string, bool, error) {
	b, err := os.ReadFile(filepath.Join(dir, key+".made"))
	if err != nil {
		return "", false, ignoreMissing(err)
	}
	var m made
	if json.Unmarshal(b, &m) != nil {
		return "", false, nil
	}
	name := filepath.Join(dir, m.Object+".o")
	text, err := os.ReadFile(name)
	if err != nil {
		return "", false, ignoreMissing(err)
	}
	return name, int64(len(text)) == m.Size && digest(text) == m.Object, nil
}

// keep keeps an object that lies in a scratch folder, and returns its place. The list has the
// files that it was made of.
func (t *Tree) keep(u *Unit, e *edition, object string, list []string, took time.Duration) (string, error) {
	dir := t.folder(u)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	text, err := os.ReadFile(object)
	if err != nil {
		return "", err
	}
	m := made{digest(text), int64(len(text)), took}
	name := filepath.Join(dir, m.Object+".o")
	b, err := json.Marshal(&m)
	if err != nil {
		return "", err
	}
	deps := []byte(strings.Join(list, "\n"))
	return name, errors.Join(
		os.Rename(object, name),
		replaceFile(filepath.Join(dir, digest(deps)+".deps"), object+".deps", deps),
		replaceFile(filepath.Join(dir, e.key(u, list)+".made"), object+".made", b),
		t.keepDeps(u, e, object, list),
	)
}

// treeDeps is the name of the list of what an object is made of in the tree as it is.
const treeDeps = "tree.deps"

// keepDeps keeps what an object is made of in the tree as it is, when it was made of that.
func (t *Tree) keepDeps(u *Unit, e *edition, tmp string, list []string) error {
	if slices.Contains(list, Everything) || slices.ContainsFunc(list, func(name string) bool { _, ok := e.digests[name]; return ok }) || len(e.moved) > 0 {
		return nil
	}
	text := strings.Join(append([]string{digest([]byte(u.Command))}, list...), "\n")
	return replaceFile(filepath.Join(t.folder(u), treeDeps), tmp+".tree", []byte(text+"\n"+digest([]byte(text))))
}

// keptDeps is what an object is made of in the tree as it is, where that is known.
func (t *Tree) keptDeps(u *Unit) ([]string, bool, error) {
	b, err := os.ReadFile(filepath.Join(t.folder(u), treeDeps))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	lines := strings.Split(string(b), "\n")
	n := len(lines) - 1
	if n < 1 || lines[0] != digest([]byte(u.Command)) || digest([]byte(strings.Join(lines[:n], "\n"))) != lines[n] {
		return nil, false, nil
	}
	return lines[1:n], true, nil
}

// keptAll looks for all of some objects, and returns the places in the list of those that
// are missing.
func (t *Tree) keptAll(ctx context.Context, out []Object, e *edition) ([]int, error) {
	missing := make([]bool, len(out))
	err := t.each(ctx, len(out), func(_ context.Context, i int) error {
		path, ok, err := t.kept(&out[i].Unit, e)
		if ok {
			out[i].Path, out[i].Cached = path, true
		}
		if missing[i] = !ok; ok || err != nil {
			return err
		}
		ce, err := t.keptError(&out[i].Unit, e)
		if ce != nil {
			out[i].Err, out[i].Cached, missing[i] = ce, true, false
		}
		return err
	})
	var list []int
	for i, m := range missing {
		if m {
			list = append(list, i)
		}
	}
	return list, err
}
