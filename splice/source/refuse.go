package source

import (
	"errors"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice/module"
)

// The refusals of this package. Those of packages patch, elfdiff, splice and module come
// with them.
const (
	CodeCompile    finding.Code = "compile"      // what the compiler does not take
	CodeNotShipped finding.Code = "not-shipped"  // an object of a module that there is no file of
	CodeSpecial    finding.Code = "other-image"  // code that is not part of the kernel's own: vDSO, boot, real mode
	CodeBuild      finding.Code = "build-system" // a change of how the kernel is built that can't be followed
	CodeKernelFile finding.Code = "kernel-file"  // a file of the kernel's, where patches are of a module whose source is elsewhere
)

var hints = map[finding.Code]string{
	CodeCompile:    "mend the patch, or give the patches before it that it needs",
	CodeNotShipped: "give the folder of the modules that belong to this kernel, or leave the change out: nobody runs it",
	CodeSpecial:    "leave it out and restart for it: programs, or the start, run another copy than the kernel",
	CodeKernelFile: "make an update of the kernel's part of its own, without -module",
	CodeBuild:      "leave the change of the configuration or of the tools out of the patch",
}

func refuse(code finding.Code, symbol, section, format string, args ...any) *finding.Refusal {
	r := finding.Refuse(code, symbol, section, 0, format, args...)
	r.Hint = hints[code]
	return r
}

// collect takes an error apart: refusals, what is affected, and what is neither.
type collected struct {
	refusals []*finding.Refusal
	affected []module.Affected
}

// add adds what an error says. It returns the error where that is no refusal.
func (c *collected) add(err error) error {
	if err == nil {
		return nil
	}
	if !errors.Is(err, finding.ErrRefused) {
		return err
	}
	c.refusals = append(c.refusals, finding.Refusals(err)...)
	c.affected = append(c.affected, affectedIn(err)...)
	return nil
}

// affectedIn lists what the errors that are joined in one say is affected.
func affectedIn(err error) []module.Affected {
	switch e := err.(type) {
	case nil:
		return nil
	case *module.AffectedError:
		return []module.Affected{e.Affected}
	case interface{ Unwrap() []error }:
		var out []module.Affected
		for _, x := range e.Unwrap() {
			out = append(out, affectedIn(x)...)
		}
		return out
	}
	return affectedIn(errors.Unwrap(err))
}
