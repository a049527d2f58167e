package ktree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Effects are what a change of how a kernel is built comes to.
type Effects struct {
	// Overlay are the files that the build makes, and makes otherwise now.
	Overlay Overlay
	// Changed are the objects that are made otherwise, or are new, or gone.
	Changed []UnitChange
	// Refused are changes that can't be followed.
	Refused []Unfollowed
}

// A UnitChange is an object that is made otherwise.
type UnitChange struct {
	Pre, Post *Unit    // nil where there is none
	Because   []string // files of the overlay
}

// Unfollowed says of a change of the build why it can't be followed.
type Unfollowed struct{ File, Symbol, Why string }

// Effects has make prepare a copy of the tree with an overlay in it, and says what it makes
// otherwise than in the tree.
func (t *Tree) Effects(ctx context.Context, o Overlay) (*Effects, error) {
	before, err := t.Units(ctx)
	if err != nil {
		return nil, err
	}
	w, err := t.loose(ctx)
	if err != nil {
		return nil, err
	}
	e, err := t.effectsIn(ctx, w, o, before)
	return e, errors.Join(err, w.discard())
}

func (t *Tree) effectsIn(ctx context.Context, w *workspace, o Overlay, before *Units) (*Effects, error) {
	if err := w.apply(o); err != nil {
		return nil, err
	}
	e := &Effects{Overlay: Overlay{}}
	causes := systemFiles(o)
	for _, target := range []string{"olddefconfig", "modules_prepare"} {
		if said, err := t.make(ctx, w.dir, "-j"+fmt.Sprint(t.spec.Jobs), target); ctx.Err() != nil {
			return nil, err
		} else if err != nil {
			e.Refused = append(e.Refused, Unfollowed{first(causes), "", fmt.Sprintf("make %s: %s", target, firstWords(said, err))})
			return e, nil
		}
	}
	if err := t.configChanges(w.dir, o, e); err != nil || len(e.Refused) > 0 {
		return e, err
	}
	if err := t.generated(w.dir, e); err != nil {
		return nil, err
	}
	list, err := t.ask(ctx, w.dir)
	if err != nil {
		return nil, err
	}
	e.Changed = unitChanges(before, newUnits(list), causes)
	return e, nil
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// systemFiles are the files of an overlay that say how things are built.
func systemFiles(o Overlay) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(o)), func(name string) bool {
		ext := path.Ext(name)
		return ext == ".c" || ext == ".h" || ext == ".S"
	})
}

// configChanges refuses another configuration: objects that are not compiled here may know of
// it.
func (t *Tree) configChanges(dir string, o Overlay, e *Effects) error {
	const name = "include/config/auto.conf"
	a, err := os.ReadFile(filepath.Join(t.dir, name))
	if err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	for _, s := range changedSettings(a, b) {
		e.Refused = append(e.Refused, Unfollowed{kconfigOf(o), s.Name, s.String() + " with the patch"})
	}
	return nil
}

func kconfigOf(o Overlay) string {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if strings.HasPrefix(path.Base(name), "Kconfig") {
			return name
		}
	}
	return first(systemFiles(o))
}

// generatedFolders have the headers that preparing a tree makes.
var generatedFolders = []string{"include/generated", "arch/x86/include/generated"}

// generated takes the headers that the copy has otherwise than the tree.
func (t *Tree) generated(dir string, e *Effects) error {
	for _, folder := range generatedFolders {
		err := filepath.WalkDir(filepath.Join(dir, folder), func(full string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(d.Name(), ".cmd") {
				return err
			}
			name := filepath.ToSlash(full[len(dir)+1:])
			now, err := os.ReadFile(full)
			if err != nil {
				return err
			}
			old, err := os.ReadFile(filepath.Join(t.dir, name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err != nil || !bytes.Equal(old, now) {
				e.Overlay[name] = now
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unitChanges compares how objects are made.
func unitChanges(before, after *Units, causes []string) []UnitChange {
	var out []UnitChange
	for i := range after.list {
		now := &after.list[i]
		old := before.Object(now.Object)
		if old != nil && old.Command == now.Command && old.Objtool == now.Objtool && old.Module == now.Module && slices.Equal(old.Modules, now.Modules) {
			continue
		}
		out = append(out, UnitChange{old, now, near(causes, now.Object)})
	}
	for i := range before.list {
		if old := &before.list[i]; after.Object(old.Object) == nil {
			out = append(out, UnitChange{old, nil, near(causes, old.Object)})
		}
	}
	return out
}

// near are those of some Makefiles that are about an object: in its folder, or above it.
func near(causes []string, object string) []string {
	var out []string
	for _, c := range causes {
		if dir := path.Dir(c); dir == "." || strings.HasPrefix(object, dir+"/") {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return causes
	}
	return out
}

// An Unbuilt source is one that this configuration makes no object of.
type Unbuilt struct{ Source, Why string }

// UnitsOf returns the objects that are made of some sources, and says of each other one why
// there is none.
func (t *Tree) UnitsOf(ctx context.Context, o Overlay, sources ...string) ([]Unit, []Unbuilt, error) {
	units, err := t.Units(ctx)
	if err != nil {
		return nil, nil, err
	}
	var out []Unit
	var not []Unbuilt
	for _, s := range sources {
		list := units.Of(s)
		if out = append(out, list...); len(list) > 0 {
			continue
		}
		why, err := t.whyNot(s)
		if err != nil {
			return nil, nil, err
		}
		not = append(not, Unbuilt{s, why})
	}
	return out, not, nil
}

// whyNot finds the line of a Makefile that would build a source.
func (t *Tree) whyNot(source string) (string, error) {
	object := strings.TrimSuffix(path.Base(source), path.Ext(source)) + ".o"
	for _, name := range []string{"Kbuild", "Makefile"} {
		text, err := os.ReadFile(filepath.Join(t.dir, path.Dir(source), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			if slices.Contains(strings.Fields(line), object) {
				if i := strings.Index(line, "$(CONFIG_"); i >= 0 {
					symbol, _, _ := strings.Cut(line[i+2:], ")")
					return symbol + " is off in this configuration", nil
				}
			}
		}
	}
	return "this configuration does not build it", nil
}
