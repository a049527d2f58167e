package ktree

import (
	"bytes"
	"context"
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
)

// Effects are what a change of how a kernel is built comes to.
type Effects struct {
	// Overlay are the files that the build makes, and makes otherwise now.
	Overlay Overlay
	// Changed are the objects that are made otherwise, or are new, or gone. Pre and Post of one
	// are the same where another file is made on the way to it.
	Changed []UnitChange
	// Refused are changes that can't be followed.
	Refused []Unfollowed
	// Notes say of files that they change no object, and why.
	Notes map[string]string
	// Kept are files whose change is left out, with what they are instead, nil for none: tools of
	// the build, and lines that say which version it is.
	Kept Overlay
}

// A UnitChange is an object that is made otherwise.
type UnitChange struct {
	Pre, Post *Unit    // nil where there is none
	Because   []string // files of the overlay
}

// Unfollowed says of a change of the build why it can't be followed.
type Unfollowed struct {
	File, Symbol, Why string
	Image             string // what it is part of that is not the running kernel, such as "the vDSO"
}

// effectsLayout changes with what Effects finds.
const effectsLayout = "2"

// Effects says what an overlay changes but for the objects that have its files: headers that
// the build makes of others, commands, what there is. Where that may be, make does it in a copy of
// the tree, which takes ten seconds, and a minute when Makefiles change; what it found is
// kept. Without a file that may have an effect it costs nothing.
//
// A change of the configuration is refused: objects that are not compiled here know of it.
// A setting that is new and off is none.
func (t *Tree) Effects(ctx context.Context, o Overlay) (*Effects, error) {
	s, err := t.survey(ctx, o)
	if err != nil {
		return nil, err
	}
	if s.idle() {
		return &Effects{Overlay: Overlay{}, Notes: s.notes, Kept: s.kept, Refused: s.refused}, nil
	}
	ed, err := t.edition(s.deciding(t))
	if err != nil {
		return nil, err
	}
	dir, err := t.cache.Make(ctx, fmt.Sprintf("ktree-effects/%s/%s-%s", t.id, effectsLayout, ed.whole), func(dir string) error {
		e, err := t.follow(ctx, s)
		if err != nil {
			return err
		}
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "effects.json"), b, 0o644)
	})
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "effects.json"))
	if err != nil {
		return nil, err
	}
	e := &Effects{}
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	// What is refused by name is no part of what was made.
	e.Notes, e.Kept, e.Refused = s.notes, s.kept, append(e.Refused, s.refused...)
	return e, nil
}

// follow has make do what a survey found to be necessary.
func (t *Tree) follow(ctx context.Context, s *survey) (*Effects, error) {
	e := &Effects{Overlay: Overlay{}}
	units, err := t.Units(ctx)
	if err != nil {
		return nil, err
	}
	for _, u := range units.All() {
		if because := s.products(&u); len(because) > 0 {
			e.Changed = append(e.Changed, UnitChange{&u, &u, because})
		}
	}
	if !s.config && !s.prepare && !s.units {
		return e, nil
	}
	w, err := t.loose(ctx)
	if err != nil {
		return nil, err
	}
	err = t.followIn(ctx, w, s, units, e)
	return e, errors.Join(err, w.discard())
}

func (t *Tree) followIn(ctx context.Context, w *workspace, s *survey, before *Units, e *Effects) error {
	if err := w.apply(s.overlay); err != nil {
		return err
	}
	var targets []string
	if s.config {
		targets = append(targets, "olddefconfig")
	}
	if s.config || s.prepare {
		targets = append(targets, "prepare0")
	}
	causes := systemFiles(s.overlay)
	for _, target := range targets {
		said, err := t.make(ctx, w.dir, "-j"+fmt.Sprint(t.spec.Jobs), target)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			e.Refused = append(e.Refused, Unfollowed{File: first(causes), Why: fmt.Sprintf("make %s: %s", target, firstWords(said, err))})
			return nil
		}
	}
	if err := t.configChanges(w.dir, s.overlay, e); err != nil || len(e.Refused) > 0 {
		return err
	}
	if len(targets) > 0 {
		if err := t.generated(w.dir, e); err != nil {
			return err
		}
	}
	if !s.units {
		return nil
	}
	list, err := t.ask(ctx, w.dir)
	if err != nil {
		return err
	}
	e.Changed = append(e.Changed, unitChanges(before, newUnits(list), causes)...)
	return nil
}

// configChanges refuses another configuration.
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
		e.Refused = append(e.Refused, Unfollowed{File: kconfigOf(o), Symbol: s.Name, Why: s.String() + " with the patch"})
	}
	return nil
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

func kconfigOf(o Overlay) string {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if strings.HasPrefix(path.Base(name), "Kconfig") {
			return name
		}
	}
	return first(systemFiles(o))
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

// generatedFolders have the headers that preparing a tree makes.
var generatedFolders = []string{"include/generated", "arch/x86/include/generated"}

// generated takes the headers that the copy has otherwise than the tree.
func (t *Tree) generated(dir string, e *Effects) error {
	for _, folder := range generatedFolders {
		now, err := texts(dir, folder)
		if err != nil {
			return err
		}
		old, err := texts(t.dir, folder)
		if err != nil {
			return err
		}
		for name, text := range now {
			if was, ok := old[name]; !ok || !bytes.Equal(was, text) {
				e.Overlay[name] = text
			}
		}
		for name := range old {
			if _, ok := now[name]; !ok {
				e.Overlay[name] = nil
			}
		}
	}
	return nil
}

// texts reads the files of a folder of a tree, by their paths.
func texts(root, folder string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := filepath.WalkDir(filepath.Join(root, folder), func(full string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(d.Name(), ".cmd") {
			return err
		}
		text, err := os.ReadFile(full)
		out[filepath.ToSlash(full[len(root)+1:])] = append([]byte{}, text...) // nil would be deleted
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return out, err
}
