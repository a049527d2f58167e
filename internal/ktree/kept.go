package ktree

import (
	"bytes"
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

	"github.com/gosplice/gosplice/internal/deb"
)

// An entry says what one object was made of: the files of the tree that it depends on, and
// what was in those that an overlay had.
type entry struct {
	Command string            `json:"command"` // digest
	Object  string            `json:"object"`  // digest
	Deps    []string          `json:"deps"`
	Changed map[string]string `json:"changed"` // digest by path, of what the overlay had of Deps
	Shape   string            `json:"shape"`   // see shape
}

// folder is where what is kept of an object lies.
func (t *Tree) folder(u *Unit) string {
	return filepath.Join(t.cache.Dir(), "ktree-objects", t.id, strings.ReplaceAll(u.Object, "/", "-"))
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%x", sum[:16])
}

// shape identifies the files that an overlay adds or takes away and that could take the
// place of a dependency: they have the name of one.
func (t *Tree) shape(o Overlay, deps []string) string {
	names := map[string]bool{}
	for _, d := range deps {
		names[path.Base(d)] = true
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !names[path.Base(name)] {
			continue
		}
		if _, err := t.Stat(name); o[name] == nil || err != nil {
			list = append(list, name)
		}
	}
	return digest([]byte(strings.Join(list, "\x00")))
}

// kept looks for an object that was made of the same.
func (t *Tree) kept(u *Unit, o Overlay) (string, bool, error) {
	dir := t.folder(u)
	b, err := os.ReadFile(filepath.Join(dir, "made.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	command := digest([]byte(u.Command + u.Objtool))
	for line := range bytes.Lines(b) {
		var e entry
		if json.Unmarshal(line, &e) != nil || e.Command != command || !t.holds(&e, o) {
			continue
		}
		name := filepath.Join(dir, e.Object+".o")
		if _, err := os.Stat(name); err == nil {
			return name, true, nil
		}
	}
	return "", false, nil
}

// holds reports whether an entry is about what an overlay has.
func (t *Tree) holds(e *entry, o Overlay) bool {
	n := 0
	for _, d := range e.Deps {
		text, ok := o[d]
		if !ok {
			continue
		}
		if text == nil || e.Changed[d] != digest(text) {
			return false
		}
		n++
	}
	return n == len(e.Changed) && e.Shape == t.shape(o, e.Deps)
}

// keep keeps an object, and returns its place.
func (t *Tree) keep(ctx context.Context, u *Unit, o Overlay, object string, deps []string) (string, error) {
	dir := t.folder(u)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	text, err := os.ReadFile(object)
	if err != nil {
		return "", err
	}
	e := entry{Command: digest([]byte(u.Command + u.Objtool)), Object: digest(text), Deps: deps, Changed: map[string]string{}, Shape: t.shape(o, deps)}
	for _, d := range deps {
		if text, ok := o[d]; ok {
			e.Changed[d] = digest(text)
		}
	}
	name := filepath.Join(dir, e.Object+".o")
	if err := os.Rename(object, name); err != nil {
		return "", err
	}
	line, err := json.Marshal(&e)
	if err != nil {
		return "", err
	}
	return name, appendLine(ctx, filepath.Join(dir, "made.json"), line)
}

// appendLine adds a line to a file, as a whole or not at all.
func appendLine(ctx context.Context, name string, line []byte) error {
	unlock, err := deb.Lock(ctx, name+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if n := bytes.LastIndexByte(old, '\n'); n >= 0 {
		old = old[:n+1]
	} else {
		old = nil
	}
	tmp := name + ".tmp"
	if err := os.WriteFile(tmp, slices.Concat(old, line, []byte("\n")), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}
