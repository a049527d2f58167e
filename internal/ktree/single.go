package ktree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// lacksGenerated reports whether an object needs a file that the build makes on the way: a
// table that a program writes, or its source itself.
func (t *Tree) lacksGenerated(dir string, e *CompileError) bool {
	if _, err := os.Stat(filepath.Join(dir, e.Source)); err != nil {
		return true
	}
	return strings.Contains(e.Text, "No such file or directory")
}

// makeObject has make itself make an object, with all that this takes, in a copy of the tree
// that is thrown away.
func (t *Tree) makeObject(ctx context.Context, u *Unit, o Overlay, obj, dep string) error {
	w, err := t.workspace(ctx)
	if err != nil {
		return err
	}
	if err := w.apply(o); err != nil {
		return errors.Join(err, w.discard())
	}
	return errors.Join(t.makeIn(ctx, w.dir, u, obj, dep), w.discard())
}

func (t *Tree) makeIn(ctx context.Context, dir string, u *Unit, obj, dep string) error {
	goals, err := t.goals(u.Object)
	if err != nil {
		return err
	}
	flags := "KCFLAGS=" + t.spec.Flags + " -fdebug-prefix-map=" + dir + "=" + root
	said, err := t.make(ctx, dir, append([]string{"-j" + fmt.Sprint(t.spec.Jobs), flags}, goals...)...)
	if ctx.Err() != nil {
		return err
	}
	made := filepath.Join(dir, u.Object)
	if _, missing := os.Stat(made); err != nil || missing != nil {
		return &CompileError{Source: u.Source, Text: firstWords(said, errors.Join(err, missing))}
	}
	text, err := os.ReadFile(filepath.Join(dir, filepath.Dir(u.Object), "."+filepath.Base(u.Object)+".cmd"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(dep, depsOfCommand(text), 0o644); err != nil {
		return err
	}
	return os.Rename(made, obj)
}

// depsOfCommand makes a list of dependencies as compilers write it of the one of kbuild:
//
//	source_a.o := a.c
//	deps_a.o := \
//	    $(wildcard include/config/X) \
//	  include/a.h \
func depsOfCommand(text []byte) []byte {
	var b strings.Builder
	b.WriteString("object:")
	in := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if _, source, ok := strings.Cut(line, " := "); ok && strings.HasPrefix(line, "source_") {
			b.WriteString(" " + source)
		}
		if strings.HasPrefix(line, "deps_") {
			in = true
			continue
		}
		name, more := strings.CutSuffix(line, "\\")
		if name = strings.TrimSpace(name); in && name != "" && !strings.HasPrefix(name, "$(") {
			b.WriteString(" " + name)
		}
		in = in && more
	}
	return []byte(b.String() + "\n")
}

// goals returns make's arguments that have it make objects, such as "fs/proc/cmdline.o",
// each with the flags that it has in the whole kernel.
//
// make enters arch/x86, and from the root once more some folders below it. When it is asked for
// an object in one of them, both compile it, to the same file, and only the latter has the flags
// that the folder's Makefile gives one file. Thus what make enters from the root, and with
// which objects, is said here.
func (t *Tree) goals(objects ...string) ([]string, error) {
	inner, err := t.entered()
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
func (t *Tree) entered() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(t.dir, "arch/x86/Makefile"))
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
