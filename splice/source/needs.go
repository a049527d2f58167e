package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/patch"
)

const (
	// mostRounds bounds how often a patch is tried with more of the others.
	mostRounds = 6
	// mostObjects bounds how many objects it may take then: a header that all include is not
	// worth it.
	mostObjects = 600
)

// grown makes the update of a patch. What is missing in it is looked for in other patches.
func (e *eachOne) grown(ctx context.Context, alone *Plan) (*Result, error) {
	first, list, err := e.build(ctx, alone, e.opt)
	if err != nil {
		return nil, err
	}
	if err := e.keep(first, alone, list, e.opt); err != nil {
		return nil, err
	}
	others := e.others()
	in := map[*patch.Patch]bool{}
	r := first
	for range mostRounds {
		more, err := e.missing(ctx, r, list, others, in)
		if err != nil {
			return nil, err
		}
		if len(more) == 0 {
			break
		}
		for _, p := range more {
			in[p] = true
		}
		plan, err := e.planWith(ctx, slices.DeleteFunc(slices.Clone(others), func(p *patch.Patch) bool { return !in[p] }))
		if err != nil {
			return nil, err
		}
		if plan.failed || len(plan.Objects) > mostObjects {
			break
		}
		if r, list, err = e.build(ctx, plan, e.opt); err != nil {
			return nil, err
		}
		if !lacks(r) {
			return needing(r, plan), e.keep(r, plan, list, e.opt)
		}
	}
	e.nameNeeds(first, others, in)
	return first, nil
}

// nameNeeds says in what a result lacks which of the others change it, where they could not be taken
// along: those that were tried, and those that too many objects have.
func (e *eachOne) nameNeeds(r *Result, others []*patch.Patch, tried map[*patch.Patch]bool) {
	var names []string
	for _, p := range others {
		switch {
		case e.wide[p]:
			names = append(names, fmt.Sprintf("%s (which more than %d objects have)", p.Name, mostObjects))
		case tried[p]:
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	for _, x := range r.Refusals {
		if isLack(x.Code) {
			x.Hint = fmt.Sprintf("what it lacks is changed by %s: make one patch of them, with all that these need", strings.Join(names, ", "))
		}
	}
}

// others are the patches that one may need.
func (e *eachOne) others() []*patch.Patch {
	var out []*patch.Patch
	of := e.patches[e.i].Of
	for j, p := range e.patches {
		if j < e.i || j > e.i && of != "" && p.Of == of {
			out = append(out, p)
		}
	}
	return out
}

// lacks reports whether something is missing in what was built.
func lacks(r *Result) bool {
	return slices.ContainsFunc(r.Refusals, func(x *finding.Refusal) bool { return isLack(x.Code) })
}

// isLack reports whether a code is of what other patches may bring.
func isLack(code finding.Code) bool { return code == CodeCompile || code == module.CodeUndefined }

// missing finds the patches that change what a result says is missing, and are not in.
func (e *eachOne) missing(ctx context.Context, r *Result, list []compared, others []*patch.Patch, in map[*patch.Patch]bool) ([]*patch.Patch, error) {
	others = slices.DeleteFunc(slices.Clone(others), func(p *patch.Patch) bool { return in[p] })
	if len(others) == 0 || !lacks(r) {
		return nil, nil
	}
	found := e.undefined(r, others)
	for i := range list {
		if err := e.needed(ctx, &list[i], others, found); err != nil {
			return nil, err
		}
	}
	var out []*patch.Patch
	for _, p := range others {
		if !found[p] {
			continue
		}
		wide, err := e.subject.Wider(ctx, mostObjects, p.Paths()...)
		if err != nil {
			return nil, err
		}
		if e.wide[p] = wide; !wide {
			out = append(out, p)
		}
	}
	return out, nil
}

// undefined finds the patches that change a function that nobody has.
func (e *eachOne) undefined(r *Result, others []*patch.Patch) map[*patch.Patch]bool {
	found := map[*patch.Patch]bool{}
	for _, x := range r.Refusals {
		for _, p := range others {
			if x.Code == module.CodeUndefined && e.wordsOf(p)[changed][x.Symbol] && e.defines(p) {
				found[p] = true
			}
		}
	}
	return found
}

// needed finds the patches that change what a compiler complains of, in an object or in what it
// includes: by the names in lines that change, else by those beside them, as what it misses may
// stand above its use. Where none does, those are taken that change the object's source.
func (e *eachOne) needed(ctx context.Context, c *compared, others []*patch.Patch, found map[*patch.Patch]bool) error {
	var says *ktree.CompileError
	if !errors.As(c.failed, &says) {
		return nil
	}
	for _, in := range []lines{changed, pasted, beside} {
		any := false
		for _, p := range others {
			is, err := e.tells(ctx, p, c, says, in)
			if err != nil {
				return err
			}
			if is {
				found[p], any = true, true
			}
		}
		if any {
			return nil
		}
	}
	for _, p := range others {
		if slices.Contains(p.Paths(), c.unit().Source) {
			found[p] = true
		}
	}
	return nil
}

// tells reports whether a patch has in some of its lines what a compiler complains of, and
// concerns the object.
func (e *eachOne) tells(ctx context.Context, p *patch.Patch, c *compared, says *ktree.CompileError, in lines) (bool, error) {
	words := e.wordsOf(p)[in]
	if !slices.ContainsFunc(says.Names, func(name string) bool {
		return words[name] || in == pasted && ends(name, words) || strings.Contains(name, ".") && creates(p, name)
	}) {
		return false, nil
	}
	return e.concerns(ctx, p, c, says)
}

// concerns reports whether a patch changes a file that an object is made of.
func (e *eachOne) concerns(ctx context.Context, p *patch.Patch, c *compared, says *ktree.CompileError) (bool, error) {
	for _, file := range p.Paths() {
		if file == c.unit().Source || e.includesNow(file) || slices.ContainsFunc(says.Names, func(name string) bool { return creates(p, name) }) {
			return true, nil
		}
		if kind, _ := e.classify(file); kind != FileHeader && kind != FileSource {
			continue
		}
		is, err := e.subject.Has(ctx, c.unit().Object, file)
		if is || err != nil {
			return is, err
		}
	}
	return false, nil
}

// includesNow reports whether the patch has a file included that was not before.
func (e *eachOne) includesNow(file string) bool {
	for _, f := range e.patches[e.i].Files {
		for _, h := range f.Hunks {
			for _, l := range h.Lines {
				m := include.FindStringSubmatch(l.Text)
				if l.Op == patch.Add && m != nil && strings.HasSuffix("/"+file, "/"+strings.TrimLeft(m[1], "./")) {
					return true
				}
			}
		}
	}
	return false
}

// creates reports whether a patch makes a file that is included by some name.
func creates(p *patch.Patch, name string) bool {
	return slices.ContainsFunc(p.Files, func(f patch.File) bool {
		return f.Old == "" && (f.New == name || strings.HasSuffix(f.New, "/"+strings.TrimLeft(name, "./")))
	})
}

// defines reports whether a patch changes code.
func (b *Builder) defines(p *patch.Patch) bool {
	return slices.ContainsFunc(p.Files, func(f patch.File) bool {
		kind, _ := b.classify(f.Path())
		return kind == FileSource
	})
}
