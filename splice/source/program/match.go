package program

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/cbuild"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/source"
)

// match finds the objects that differ in the installed files, and makes the update of each of
// these.
func (w *work) match(ctx context.Context) error {
	for _, c := range w.list {
		w.r.Refusals = append(w.r.Refusals, c.refused...)
	}
	changed := w.matter()
	if len(changed) == 0 || len(w.r.Refusals) > 0 {
		w.refuseObjects()
		return nil
	}
	if err := w.b.findTargets(w.outputs(changed)); err != nil {
		return err
	}
	if err := w.b.identify(); err != nil {
		return err
	}
	count := w.b.tell.Begin("match", len(w.b.targets))
	for _, t := range w.b.targets {
		if err := w.program(ctx, t, changed); err != nil {
			return err
		}
		count.Done()
	}
	w.missing(changed)
	w.refuseObjects()
	return nil
}

// settled reports whether it is known of all installed files what is in them.
func (w *work) settled() bool {
	for _, t := range w.b.targets {
		if t.output == nil || len(t.output.Unknown) > 0 {
			return false
		}
	}
	return len(w.b.targets) > 0
}

// matter are the objects in which there is something to carry, or to refuse.
func (w *work) matter() []*compared {
	var out []*compared
	for _, c := range w.list {
		if c.matters() {
			out = append(out, c)
		}
	}
	return out
}

// refuseObjects tells what comparisons refuse, where that is not part of the refusal of a program.
func (w *work) refuseObjects() {
	if len(w.r.Programs) > 0 {
		return
	}
	for _, c := range w.list {
		if !c.idle {
			w.r.Refusals = append(w.r.Refusals, c.result.Refusals...)
		}
	}
}

// outputs are what some objects are linked into.
func (w *work) outputs(list []*compared) []*cbuild.Output {
	var out []*cbuild.Output
	for i := range w.b.pre.Outputs {
		o := &w.b.pre.Outputs[i]
		if slices.ContainsFunc(list, func(c *compared) bool { return slices.Contains(c.outputs, o.Path) }) {
			out = append(out, o)
		}
	}
	return out
}

// program makes the update of one installed file.
func (w *work) program(ctx context.Context, t *target, changed []*compared) error {
	x := source.Program{
		Name: filepath.Base(t.path), Path: t.path, BuildID: t.buildID, Package: w.b.source.Package, By: t.by, Objects: []string{},
		Replaces: []source.Replaced{}, Refusals: []*finding.Refusal{},
	}
	if t.output != nil {
		x.Built = w.b.pre.Rel(t.output.Path)
		if t.by != source.ByName { // what it is called says less: packages have links, and files of one content
			x.Name = filepath.Base(t.output.Path)
		}
	}
	built, err := w.openBuilt(t)
	if err != nil {
		return err
	}
	if built != nil {
		defer built.Close()
	}
	var parts []splice.Part
	for _, c := range changed {
		m, is, err := w.isIn(ctx, t, c, built)
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		c.used = true
		x.Objects = append(x.Objects, c.name)
		matched, all := share(m)
		x.Matched, x.Functions = x.Matched+matched, x.Functions+all
		parts = append(parts, splice.Part{Diff: c.diff, Match: m, Image: t.image})
	}
	if len(parts) == 0 {
		return nil
	}
	err = w.update(ctx, t, built, &x, parts)
	w.r.Programs = append(w.r.Programs, x)
	return err
}

// openBuilt opens what the build made, nil for nothing.
func (w *work) openBuilt(t *target) (*image.Image, error) {
	if t.output == nil {
		return nil, nil
	}
	return image.OpenELF(w.b.pre.At(t.output.Path))
}

// isIn finds an object in an installed file. An object that stands in an archive need not be in
// what the archive is linked into: what the build has made tells.
func (w *work) isIn(ctx context.Context, t *target, c *compared, built *image.Image) (*reloc.Result, bool, error) {
	if t.output != nil && !slices.Contains(c.outputs, t.output.Path) {
		return nil, false, nil
	}
	m, err := reloc.Match(ctx, c.diff.Pre, t.image, reloc.Options{})
	if err != nil {
		return nil, false, fmt.Errorf("match %s with %s: %w", c.name, t.path, err)
	}
	matched, all := share(m)
	switch {
	case t.output == nil: // nothing tells what it is, but for its code
		if is := 2*matched > all; !is {
			return m, false, nil
		}
		t.by = source.ByMatch
		return m, true, nil
	case matched > 0 || all == 0:
		return m, true, nil
	}
	own, err := reloc.Match(ctx, c.diff.Pre, built, reloc.Options{})
	if err != nil {
		return nil, false, err
	}
	n, _ := share(own)
	return m, n > 0, nil
}

// share counts the functions of a match, and those that were found. Cold parts count with what
// they are of.
func share(m *reloc.Result) (matched, all int) {
	for i := range m.Functions {
		if f := &m.Functions[i]; f.Verdict == reloc.Matched {
			matched++
		}
		all++
	}
	return matched, all
}

// update makes the update of one installed file of its parts.
func (w *work) update(ctx context.Context, t *target, built *image.Image, x *source.Program, parts []splice.Part) error {
	x.By = t.by
	u, err := splice.BuildContext(ctx, w.b.opt.Name, parts...)
	if err != nil && !errors.Is(err, splice.ErrRefused) {
		return err
	}
	if err != nil {
		x.Refusals = append(x.Refusals, finding.Refusals(err)...)
		if 2*x.Matched < x.Functions {
			r := refuse(CodeNotReproduce, "", x.Name, "of %d functions of %s, %d are in it: it is of another source, other options or another compiler", x.Functions, strings.Join(x.Objects, ", "), x.Matched)
			x.Refusals = append([]*finding.Refusal{r}, x.Refusals...)
		}
		w.r.Refusals = append(w.r.Refusals, x.Refusals...)
		return nil
	}
	if err := w.resolve(ctx, t, built, u, x); err != nil {
		return err
	}
	if len(x.Refusals) > 0 {
		w.r.Refusals = append(w.r.Refusals, x.Refusals...)
		return nil
	}
	u.Fixes = w.fixes
	x.Update, x.ID = u, u.ID()
	for i := range u.Objects { // one of each part
		o := &u.Objects[i]
		o.Name = x.Objects[i]
		for k := range o.Redirects {
			d := &o.Redirects[k]
			f := source.Replaced{Function: d.Function, Object: o.Name, By: d.By, Address: d.Old[0].Addr}
			for _, s := range d.Old {
				f.Size += len(s.Bytes)
			}
			x.Replaces = append(x.Replaces, f)
		}
	}
	return nil
}

// missing tells of objects that differ, and that no installed file has: where that is certain,
// nobody runs what changed.
func (w *work) missing(changed []*compared) {
	settled := w.settled()
	for _, c := range changed {
		if c.used {
			continue
		}
		where := "no program or library that the build makes"
		if len(c.outputs) > 0 {
			where = c.result.Target + ", of which no installed file is known"
		}
		text := fmt.Sprintf("it changes (%s), and is part of %s", first(c.diff), where)
		c.idle = settled
		if !settled && len(w.r.Programs) == 0 {
			w.r.Refusals = append(w.r.Refusals, refuse(CodeNotInstalled, "", c.name, "%s", text))
			continue
		}
		w.r.Findings = append(w.r.Findings, finding.Finding{Code: CodeNotInstalled, Severity: finding.Ignored, Section: c.name, Message: text, Hint: hints[CodeNotInstalled]})
	}
}

// first is the first change, for a message.
func first(d *elfdiff.Diff) string {
	for i := range d.Functions {
		if f := &d.Functions[i]; f.Status != elfdiff.Same {
			return fmt.Sprintf("%s function %s", f.Status, f.Name)
		}
	}
	for i := range d.Data {
		if f := &d.Data[i]; f.Status != elfdiff.Same {
			return fmt.Sprintf("%s %s %s", f.Status, object.Kind(f.Kind), f.Name)
		}
	}
	return "no function"
}
