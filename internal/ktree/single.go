package ktree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func (t *Tree) goals(objects ...string) ([]string, error) { return Goals(t.dir, objects...) }

// Goals returns make's arguments that have it make objects of a source, such as "fs/proc/cmdline.o",
// each with the flags that it has in the whole kernel.
//
// make enters arch/x86, and from the root once more some folders below it. When it is asked for
// an object in one of them, both compile it, to the same file, and only the latter has the flags
// that the folder's Makefile gives one file. Thus what make enters from the root, and with
// which objects, is said here.
func Goals(source string, objects ...string) ([]string, error) {
	inner, err := entered(source)
	if err != nil {
		return nil, err
	}
	dirs := map[string]bool{}
	for _, object := range objects {
		dir := "."
		for _, d := range inner {
			if strings.HasPrefix(object, d+"/") {
				dir = d
			}
		}
		dirs[dir] = true
	}
	enter := make([]string, 0, len(dirs))
	for d := range dirs {
		enter = append(enter, d)
	}
	slices.Sort(enter)
	// Makefiles below tools have a build-dir too, which what make is told replaces.
	dir := "build-dir=$(if $(single-no-ko)," + strings.Join(enter, " ") + ",$(srctree)/tools/build)"
	return append([]string{dir, singleGoals}, objects...), nil
}

// singleGoals is how make finds out which of the objects it makes in the folder $@.
const singleGoals = `single-goals=$(if $(filter .,$@),` +
	`$(addprefix ./,$(filter-out $(addsuffix /%,$(filter-out .,$(build-dir))),$(single-no-ko))),` +
	`$(filter $@/%,$(single-no-ko)))`

// entered lists the folders below arch/x86 that make enters from the root.
func entered(source string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(source, "arch/x86/Makefile"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, m := range enteredForm.FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	if len(out) == 0 {
		return nil, errors.New("arch/x86/Makefile names no folders")
	}
	return out, nil
}

var enteredForm = regexp.MustCompile(`(?m)^(?:core|drivers|libs)-\S+\s*\+=\s*(arch/x86/\S+)/$`)

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
