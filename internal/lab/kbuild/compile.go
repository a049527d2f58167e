package kbuild

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// An Edit replaces the one occurrence of Old in a source file, or in a header of
// the folder include/ that it uses.
type Edit struct{ Old, New, Header string }

// Apply changes a text by edits. Each must fit exactly one place, so that an
// edit for another version of the source is noticed.
func Apply(text []byte, edits []Edit) ([]byte, error) {
	for _, e := range edits {
		if n := bytes.Count(text, []byte(e.Old)); n != 1 {
			return nil, fmt.Errorf("edit: %q occurs %d times", e.Old, n)
		}
		text = bytes.Replace(text, []byte(e.Old), []byte(e.New), 1)
	}
	return text, nil
}

// Compile makes the object of a source file of the tree, such as
// "fs/proc/cmdline.c", with edits, and returns its path. It lies in the cache,
// and must not be written to: each set of edits is compiled once.
func (t *Tree) Compile(ctx context.Context, source string, edits ...Edit) (string, error) {
	what := source
	if len(edits) > 0 {
		what += ", changed"
	}
	return t.object(ctx, what, source, edits)
}

// object makes an object, and tells of it as what.
func (t *Tree) object(ctx context.Context, what, source string, edits []Edit) (string, error) {
	texts, err := t.texts(source, edits)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		if path != source {
			fmt.Fprintf(h, "%s\x00", path)
		}
		h.Write(texts[path])
	}
	sum := h.Sum(nil)
	name := filepath.Join("kobj", filepath.Base(t.Dir), fmt.Sprintf("%s-%.8x", strings.ReplaceAll(source, "/", "-"), sum))
	dir, err := t.cache.Make(ctx, name, func(dir string) error {
		deb.Progress(vmtest.Watched(ctx), "compile %s of %s", what, t.Kernel.Release)
		return t.compile(ctx, dir, source, texts)
	})
	return objectIn(dir, source), err
}

// CompileAll makes the objects of source files as they are, as many at once as there
// are processors.
func (t *Tree) CompileAll(ctx context.Context, sources ...string) ([]string, error) {
	paths := make([]string, len(sources))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i, source := range sources {
		g.Go(func() (err error) {
			what := fmt.Sprintf("%s (%d of %d)", source, i+1, len(sources))
			paths[i], err = t.object(ctx, what, source, nil)
			return err
		})
	}
	return paths, g.Wait()
}

// texts returns the source with its edits, and the headers that are edited.
func (t *Tree) texts(source string, edits []Edit) (map[string][]byte, error) {
	by := map[string][]Edit{source: nil}
	for _, e := range edits {
		path := cmp.Or(e.Header, source)
		by[path] = append(by[path], e)
	}
	out := map[string][]byte{}
	for path, list := range by {
		text, err := os.ReadFile(filepath.Join(t.Dir, path))
		if err == nil {
			text, err = Apply(text, list)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out[path] = text
	}
	return out, nil
}

func objectIn(dir, source string) string {
	return filepath.Join(dir, strings.TrimSuffix(source, ".c")+".o")
}

// compile asks make for the command that it would run, and runs it with another
// source and another object.
func (t *Tree) compile(ctx context.Context, out, source string, texts map[string][]byte) error {
	src, obj := filepath.Join(out, source), objectIn(out, source)
	for name, text := range texts {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(out, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, name), text, 0o644); err != nil {
			return err
		}
	}
	cmd, err := t.command(ctx, source)
	if err != nil {
		return err
	}
	// Names of the file, as __FILE__ and #include "..." see them, stay what
	// they are in the tree.
	if len(texts) > 1 {
		cmd = strings.Replace(cmd, " -I", " -I"+out+"/include -I", 1)
	}
	cmd = strings.ReplaceAll(cmd, " "+source, " -iquote "+path.Dir(source)+" -fmacro-prefix-map="+out+"/= "+src+" ")
	cmd = strings.ReplaceAll(cmd, " "+strings.TrimSuffix(source, ".c")+".o", " "+obj)
	dep := path.Join(path.Dir(source), "."+strings.TrimSuffix(path.Base(source), ".c")+".o.d")
	cmd = strings.ReplaceAll(cmd, dep, obj+".d")
	return run(ctx, t.Dir, "sh", "-c", "set -e; "+cmd)
}

// command returns the shell command that makes a source's object: the compiler,
// and objtool where the build runs it on each file.
func (t *Tree) command(ctx context.Context, source string) (string, error) {
	object := strings.TrimSuffix(source, ".c") + ".o"
	name := filepath.Join("kcmd", filepath.Base(t.Dir), strings.ReplaceAll(source, "/", "-"))
	dir, err := t.cache.Make(ctx, name, func(dir string) error {
		goals, err := t.Goals(object)
		if err != nil {
			return err
		}
		all, err := output(ctx, t.Dir, "make", slices.Concat([]string{"-n", Flags}, t.args, goals)...)
		if err != nil {
			return err
		}
		cmd, err := pick(string(all), source)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "cmd"), []byte(cmd), 0o644)
	})
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(filepath.Join(dir, "cmd"))
	return string(b), err
}

// pick finds the compiler's command among what make would run, and objtool's
// when it follows. There must be one: see [Tree.Goals].
func pick(commands, source string) (string, error) {
	obj := regexp.QuoteMeta(strings.TrimSuffix(source, ".c") + ".o")
	re := regexp.MustCompile(`(')?(\S*gcc\S* -Wp,-MMD,[^\n]*? -c -o ` + obj + " " + regexp.QuoteMeta(source) + `) *(;[ ]*\./tools/objtool/objtool [^;\n]*` + obj + `)?`)
	var found []string
	for _, m := range re.FindAllStringSubmatch(commands, -1) {
		if m[1] == "" { // quoted it is a word of fixdep's, which writes it down
			found = append(found, m[2]+m[3])
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("make names %d commands for %s", len(found), source)
	}
	return found[0] + " ", nil
}
