package foresee

import (
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/splice/module/internal/sides"
)

// callers looks for other livepatches that may hold copies of what this one changes. The file of an
// update of package module says which functions call that.
func (c *checker) callers() error {
	if c.file.Module == nil || len(c.others) == 0 {
		return nil
	}
	list, err := sides.Read(c.file.Bytes())
	if err != nil && !errors.Is(err, sides.ErrNone) {
		return err
	}
	c.copies(list)
	return nil
}

// copies names the livepatches that replace a function which calls what this one changes: the
// compiler may have put that into their code, where it stays as it was.
func (c *checker) copies(list []sides.Object) {
	for i := range list {
		o := &list[i]
		for _, f := range o.Callers {
			if by := c.others[function{f.Name, o.Module}]; by != "" && by != c.file.Name {
				c.add(Finding{
					Code: CodeCopies, Effect: Note, Function: f.Name, Module: o.Module, Who: []string{by},
					Message: fmt.Sprintf("%s replaces it, and it calls what this one changes: where %s has that inlined, it stays as it was", by, by),
				})
			}
		}
	}
}
