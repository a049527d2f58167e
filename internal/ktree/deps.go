package ktree

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Dependents returns the objects that the build would make again when files of the tree
// change, by their names: those that are made of one, and those that include one. What may
// include a file is found by a search, and then the preprocessor is asked about each object, once.
func (t *Tree) Dependents(ctx context.Context, changed []string) ([]Unit, error) {
	units, err := t.Units(ctx)
	if err != nil {
		return nil, err
	}
	g, err := t.includes(ctx)
	if err != nil {
		return nil, err
	}
	reached, want := map[string]bool{}, map[string]bool{}
	everywhere := false
	for _, name := range changed {
		want[name] = true
		set := map[string]bool{}
		g.reach(name, set)
		for _, f := range forced {
			everywhere = everywhere || set[f]
		}
		for f := range set {
			reached[f] = true
		}
	}
	var out []Unit
	var ask []int
	for i := range units.list {
		u := &units.list[i]
		switch {
		case want[u.Source]:
			out = append(out, *u)
		case reached[u.Source] || everywhere:
			ask = append(ask, i)
		}
	}
	more, err := t.including(ctx, units, ask, want)
	if err != nil {
		return nil, err
	}
	out = append(out, more...)
	slices.SortFunc(out, func(a, b Unit) int { return cmpString(a.Object, b.Object) })
	return out, nil
}

// forced are the files that every compilation includes by its command line.
var forced = []string{"include/linux/kconfig.h", "include/linux/compiler-version.h", "include/linux/compiler_types.h"}

// including returns those of some units that include one of the files.
func (t *Tree) including(ctx context.Context, units *Units, ask []int, want map[string]bool) ([]Unit, error) {
	is := make([]bool, len(ask))
	count := t.spec.Progress.Begin("dependencies", len(ask))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(t.spec.Jobs)
	for k, i := range ask {
		g.Go(func() error {
			defer count.Done()
			deps, err := t.depsOf(ctx, &units.list[i])
			is[k] = slices.ContainsFunc(deps, func(d string) bool { return want[d] })
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []Unit
	for k, i := range ask {
		if is[k] {
			out = append(out, units.list[i])
		}
	}
	return out, nil
}

// depsOf lists the files that an object is made of, by the preprocessor. They are kept.
func (t *Tree) depsOf(ctx context.Context, u *Unit) ([]string, error) {
	name := filepath.Join(t.cache.Dir(), "ktree-deps", t.id, strings.ReplaceAll(u.Object, "/", "-")+".json")
	var list []string
	b, err := os.ReadFile(name)
	if err == nil && json.Unmarshal(b, &list) == nil {
		return list, nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	out, err := os.CreateTemp(filepath.Dir(name), "deps")
	if err != nil {
		return nil, err
	}
	out.Close()
	defer os.Remove(out.Name())
	cmd := depsForm.ReplaceAllString(u.Command, "")
	cmd = objectEnd.ReplaceAllString(cmd, " -M -MG -MF "+quote(out.Name())+" ")
	if err := t.shell(ctx, t.dir, u.Source, cmd); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return []string{u.Source}, nil // its source is made by the build: nobody patches it
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		return nil, err
	}
	list = parseDeps(text)
	if b, err = json.Marshal(list); err != nil {
		return nil, err
	}
	if err := os.WriteFile(out.Name(), b, 0o644); err != nil {
		return nil, err
	}
	return list, os.Rename(out.Name(), name)
}

// objectEnd is what says that a command makes an object.
var objectEnd = regexp.MustCompile(` -c -o \S+ `)
