package program

import (
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/cbuild"
	"github.com/gosplice/gosplice/splice/source"
)

// conclude says what became of it all.
func (w *work) conclude() {
	r := w.r
	r.Outcome = source.OutcomeNoChange
	made, failed := 0, false
	for _, c := range w.list {
		if r.Outcome == source.OutcomeNoChange && (c.result.Outcome == elfdiff.OutcomeIgnored || c.idle) {
			r.Outcome = source.OutcomeIgnored
		}
		failed = failed || slices.ContainsFunc(c.refused, func(x *finding.Refusal) bool { return x.Code == CodeObject })
	}
	for i := range r.Programs {
		if r.Programs[i].Update != nil {
			made++
		}
	}
	switch {
	case made > 0:
		r.Outcome = source.OutcomeMade
	case failed:
		r.Outcome = source.OutcomeFailed
	case len(r.Refusals) > 0:
		r.Outcome = source.OutcomeJudge
		for _, x := range r.Refusals {
			if x.Severity == finding.Refused {
				r.Outcome = source.OutcomeRefused
			}
		}
	}
	if r.Outcome == source.OutcomeMade {
		w.present(made)
	}
}

// present says how much of the patches is in the updates.
func (w *work) present(made int) {
	in, reasons := source.Whole, []string{}
	if n := len(w.r.Programs); made < n {
		in = source.Partly
		reasons = append(reasons, fmt.Sprintf("%d of %d programs and libraries that it changes have an update", made, n))
	}
	if unseen := w.unseen(); len(unseen) > 0 {
		in, reasons = source.Partly, append(reasons, unseen...)
	}
	for i := range w.r.Patches {
		w.r.Patches[i].In, w.r.Patches[i].Reasons = in, reasons
	}
}

// unseen says what was not looked at where the build links none of a program that has an update, but
// makes some objects of it: those that it does not make may include a changed header, and other changed
// files may be part of the program.
func (w *work) unseen() (reasons []string) {
	part := slices.IndexFunc(w.r.Programs, func(x source.Program) bool { return x.Update != nil && x.Built == "" })
	if part < 0 {
		return nil
	}
	name := w.r.Programs[part].Name
	for i := range w.r.Files {
		f := &w.r.Files[i]
		switch {
		case f.Kind == source.FileHeader:
			reasons = append(reasons, fmt.Sprintf("the build does not link %s: objects that it does not make, and that include %s, were not looked at; have it build all of it", name, f.Path))
		case f.Kind == source.FileGenerator && f.Change != "deleted" && cbuild.IsSource(f.Path):
			reasons = append(reasons, fmt.Sprintf("the build makes no object of %s, and does not link %s, which may have it; have it build that too", f.Path, name))
		}
	}
	return reasons
}
