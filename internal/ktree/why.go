package ktree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

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
