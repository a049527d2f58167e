package ktree

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Units are all objects that the build of a kernel makes. They are immutable.
type Units struct {
	list     []Unit // by object
	byObject map[string]int
	bySource map[string][]int
	forced   func() [][]string // what [forcedBy] says of each, found once
}

func newUnits(list []Unit) *Units {
	slices.SortFunc(list, func(a, b Unit) int { return cmpString(a.Object, b.Object) })
	u := &Units{list: list, byObject: make(map[string]int, len(list)), bySource: make(map[string][]int, len(list))}
	for i := range list {
		u.byObject[list[i].Object] = i
		u.bySource[list[i].Source] = append(u.bySource[list[i].Source], i)
	}
	u.forced = sync.OnceValue(func() [][]string {
		out := make([][]string, len(list))
		for i := range list {
			out[i] = forcedBy(&list[i])
		}
		return out
	})
	return u
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// All returns all of them, by object. The slice must not be changed.
func (u *Units) All() []Unit { return u.list }

// Object returns the unit of an object, or nil.
func (u *Units) Object(name string) *Unit {
	if i, ok := u.byObject[name]; ok {
		return &u.list[i]
	}
	return nil
}

// Of returns the units that are made of a source.
func (u *Units) Of(source string) []Unit {
	var out []Unit
	for _, i := range u.bySource[source] {
		out = append(out, u.list[i])
	}
	return out
}

// Units asks make for all objects of the kernel and its modules, once for a tree, which takes
// half a minute.
func (t *Tree) Units(ctx context.Context) (*Units, error) {
	t.unitsLock.Lock()
	defer t.unitsLock.Unlock()
	if t.units != nil {
		return t.units, nil
	}
	dir, err := t.cache.Make(ctx, "ktree-units/"+unitsLayout+"-"+t.id, func(dir string) error {
		w, err := t.loose(ctx)
		if err != nil {
			return err
		}
		defer w.discard()
		list, err := t.ask(ctx, w.dir)
		if err != nil {
			return err
		}
		b, err := json.Marshal(list)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "units.json"), b, 0o644)
	})
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "units.json"))
	if err != nil {
		return nil, err
	}
	var list []Unit
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	t.units = newUnits(list)
	return t.units, nil
}

// unitsLayout changes with what is read of make's output.
const unitsLayout = "4"

// ask has make print what it would do for the kernel and its modules, in a copy of the tree
// (make itself runs a few commands even then), and reads that.
//
// make can't go on to the end, since it misses what it has not made: -k has it go on with
// all else. It has to print what belongs to a target at once: several that print at the same
// time tear lines of each other apart. That fewer objects are found than a kernel has is an error.
func (t *Tree) ask(ctx context.Context, dir string) ([]Unit, error) {
	t.spec.Progress.Begin("list the objects", 1)
	args := slices.Concat([]string{"-n", "-k", "-Otarget", "-j" + fmt.Sprint(t.spec.Jobs), "KCFLAGS=" + t.spec.Flags}, t.args, []string{"vmlinux", "modules"})
	cmd := t.command(ctx, dir, "make", args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p := parseCommands(out)
	if cerr := p.check(); cerr != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", cerr, bytes.TrimSpace(said.Bytes()[max(0, said.Len()-2000):])), err)
	}
	return p.list, nil
}
