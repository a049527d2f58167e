package source

import (
	"errors"
	"syscall"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// Errors that this package's calls end with, for errors.Is. Their texts name what is missing,
// and the line that installs it.
var (
	ErrMissing  = ktree.ErrMissing  // a program or a header is not on this machine
	ErrCompiler = ktree.ErrCompiler // the compiler is not the one that the kernel was built with
)

// IsNoSpace reports whether an error is about a disk that is full, or a quota.
func IsNoSpace(err error) bool {
	return errors.Is(err, ktree.ErrNoSpace) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Unfinished is the result of work that something ended before it came to one: it says of
// which patches, that they are in nothing, and is [OutcomeError].
func Unfinished(name string, kernel Identity, patches ...*patch.Patch) *Result {
	r := &Result{
		Schema: Schema, Name: name, Outcome: OutcomeError, Kernel: kernel, Patches: []PatchResult{}, Files: []FileResult{}, Objects: []ObjectResult{},
		Refusals: []*finding.Refusal{}, Findings: []finding.Finding{}, Affected: []module.Affected{}, Stages: []Stage{},
	}
	for _, p := range patches {
		r.Patches = append(r.Patches, resultOf(p))
	}
	return r
}
