package main

import (
	"fmt"
	"path/filepath"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/files"
)

// extract writes the object with the changes. What an object can't say is refused.
func (opt *options) extract(d *elfdiff.Diff) error {
	x, err := elfdiff.Extract(d)
	if err != nil {
		return err
	}
	const both = "build the update from both"
	switch name := opt.text.Object; {
	case len(x.Immediates) > 0:
		return fmt.Errorf("%s: an object can't say that a shift or a mask depends on the running kernel: %s", name, both)
	case len(x.InPlace) > 0:
		return fmt.Errorf("%s: an object can't say what has to be overwritten, such as %s: %s", name, x.InPlace[0].Name, both)
	case len(x.Initials) > 0:
		return fmt.Errorf("%s: an object can't say what has to be set, such as %s: %s", name, x.Initials[0].Name, both)
	}
	return files.Write(opt.text.Object, x, opt.pre, opt.post)
}

// checkOutputs refuses, before anything is done, what would overwrite an input.
func (opt *options) checkOutputs() error {
	for _, name := range []string{opt.text.Object, opt.text.Page} {
		if name == "" {
			continue
		}
		if err := files.Output(name, opt.pre, opt.post); err != nil {
			return err
		}
	}
	if opt.text.Object != "" && filepath.Clean(opt.text.Object) == filepath.Clean(opt.text.Page) {
		return fmt.Errorf("-o and -html both name %s", opt.text.Object)
	}
	return nil
}
