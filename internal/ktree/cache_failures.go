package ktree

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// What a compiler has against a source is kept as objects are, beside them:
//
//	KEY.failed    the errors, once for each content of the files of a list
//
// The list is what the preprocessor has read; where it has not come to the end, that is
// [Everything]. Only errors that name a place in the source are kept: others may be those of the
// machine, and are gone the next time.

// lasts reports whether an error is about the source, and not about the machine.
func (e *CompileError) lasts() bool {
	return e.File != "" && !strings.Contains(e.Text, "internal compiler error") && !strings.Contains(e.Text, "virtual memory exhausted")
}

// keepFailure keeps why a unit does not compile.
func (c *compilation) keepFailure(ctx context.Context, u *Unit, ce *CompileError, base string) error {
	if !ce.lasts() || u.Make != nil {
		return nil
	}
	list := []string{Everything}
	text, err := c.preprocess(ctx, u, base+".why")
	if err != nil {
		return err
	}
	if text != nil {
		deps, err := os.ReadFile(base + ".why.d")
		if err == nil {
			list, err = c.tree.embedded(c.dir, u, parseDeps(deps))
		}
		if err != nil {
			return err
		}
	}
	return c.tree.explain(c.tree.keepError(u, c.ed, ce, list, base))
}

// keepError keeps it under the key of a list.
func (t *Tree) keepError(u *Unit, e *edition, ce *CompileError, list []string, tmp string) error {
	dir := t.folder(u)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.Marshal(ce)
	if err != nil {
		return err
	}
	deps := []byte(strings.Join(list, "\n"))
	return errors.Join(
		replaceFile(filepath.Join(dir, digest(deps)+".deps"), tmp+".list", deps),
		replaceFile(filepath.Join(dir, e.key(u, list)+".failed"), tmp+".failed", text),
	)
}

// keptError is what was against a unit in an edition with the same contents, nil for nothing.
func (t *Tree) keptError(u *Unit, e *edition) (ce *CompileError, err error) {
	err = t.lists(u, func(list []string) (bool, error) {
		text, err := os.ReadFile(filepath.Join(t.folder(u), e.key(u, list)+".failed"))
		if err != nil {
			return false, ignoreMissing(err)
		}
		var found CompileError
		if json.Unmarshal(text, &found) == nil && found.Source == u.Source && found.lasts() {
			ce = &found
		}
		return ce != nil, nil
	})
	return ce, err
}
