package module

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/affected"
)

// Affected is what a type or a signature that means something else in post matters
// to beside the objects that are given: code of the running kernel that goes on with
// the old meaning.
type Affected struct {
	Name string     `json:"name"` // as in types.Change
	Kind types.Kind `json:"kind"`
	// Files are the sources that know the type, as the debug information of the
	// kernel names them. Where it names none, Functions are those that take it.
	Files     []string `json:"files"`
	Functions []string `json:"functions"`
	// Places are where the function is referred to, as SYMBOL+0xOFFSET with the
	// source where that is known, and DefinedIn the source that it is in, when that
	// is not given.
	Places    []string `json:"places"`
	DefinedIn string   `json:"defined_in"`
	// Exported says that modules can call the function.
	Exported bool `json:"exported"`
	// Unknown says of which module nothing can be told, "" when there is none.
	Unknown string `json:"unknown"`
}

// An AffectedError refuses a module because of what is affected and not given. It is
// an [elfdiff.ErrRefused].
type AffectedError struct {
	Affected
	Refusal elfdiff.RefusedError // of one finding
}

// Error returns the finding on one line.
func (e *AffectedError) Error() string { return e.Refusal.Error() }

// Unwrap returns the refusal.
func (e *AffectedError) Unwrap() error { return &e.Refusal }

// Affected looks for what the changed types and signatures of some pairs matter to
// beside the objects of these pairs: files of the kernel that know a type, by the
// debug information of the image, or by its BTF where it has no other; code that
// calls a function or takes its address, by the running code. Pairs without a
// difference count as given.
//
// It costs nothing when no type changed in a way that matters, and some tenths of a
// second otherwise: .debug_info is read once, a unit at a time.
func (k *Kernel) Affected(ctx context.Context, pairs ...Pair) ([]Affected, error) {
	if k.image == nil {
		return nil, errNotOpened
	}
	where := &affected.Kernel{Code: affected.Code{Run: k.run}, Image: k.image, Exports: k.exports}
	of := map[*Target]*affected.Code{nil: &where.Code}
	given := make([]affected.Pair, len(pairs))
	for i := range pairs {
		p := &pairs[i]
		if of[p.Target] == nil {
			of[p.Target] = &affected.Code{Run: p.Target.run, Module: p.Target.mod}
		}
		given[i] = affected.Pair{Diff: p.Diff, Match: p.Match, Of: of[p.Target]}
	}
	uses, err := affected.Find(ctx, where, given)
	if err != nil {
		return nil, err
	}
	var out []Affected
	for i := range uses {
		out = append(out, Affected(uses[i]))
	}
	return out, nil
}

// changedTypes reports the types that mean something else in post, as far as the
// comparisons have not done so, and what they affect beside the pairs. Signatures wait for
// checkSignatures where nothing is affected.
func (b *builder) changedTypes(ctx context.Context, pairs []Pair) error {
	list, err := b.Kernel.Affected(ctx, pairs...)
	if err != nil {
		return err
	}
	for i := range pairs {
		for _, f := range pairs[i].Diff.TypeFindings() {
			if f.Code != elfdiff.CodeTypeSignature || isAffected(list, f.Symbol) {
				b.report(f)
			}
		}
	}
	for i := range list {
		b.affected(&list[i])
	}
	b.whole = func(name string) bool { return !isAffected(list, name) }
	return nil
}

// isAffected reports whether code that is not given knows a function whose signature
// changed, or may know it.
func isAffected(list []Affected, name string) bool {
	return slices.ContainsFunc(list, func(a Affected) bool { return a.Name == name && a.Kind == types.SignatureChanged })
}

// affected reports what is affected and not given.
func (b *builder) affected(a *Affected) {
	f := a.Finding()
	if f.AcceptedBy(b.words) {
		b.found = append(b.found, f)
		return
	}
	b.refused.add(&AffectedError{*a, elfdiff.RefusedError{Refusals: []elfdiff.Refusal{{Finding: f}}}})
}

// checkSignatures judges changed signatures of functions that are given with all that
// refers to them. Such a function and its callers are replaced together, for one task after
// the other: no task calls the new function from an old one. It takes that all are
// replaced in one way.
func (b *builder) checkSignatures(pairs []Pair) {
	found := map[string]elfdiff.Finding{}
	methods := map[string]map[string]int{}
	handed := map[string]bool{}
	var names []string
	for i := range pairs {
		list, _ := pairs[i].Diff.Types() // an error is one of the findings
		for k := range list {
			handed[list[k].Name] = handed[list[k].Name] || list[k].Handed
		}
		for _, f := range pairs[i].Diff.TypeFindings() {
			if f.Code != elfdiff.CodeTypeSignature || !b.whole(f.Symbol) {
				continue
			}
			if methods[f.Symbol] == nil {
				names = append(names, f.Symbol)
				found[f.Symbol], methods[f.Symbol] = f, map[string]int{}
			}
			for method, n := range b.methodsOf(&pairs[i]) {
				methods[f.Symbol][method] += n
			}
		}
	}
	for _, name := range names {
		f := found[name]
		if handed[name] {
			b.report(f)
			continue
		}
		if len(methods[name]) > 1 || methods[name][MethodProbe] > 1 {
			f.Message += "; all that refers to it is given, but replaced in several ways, one after the other"
		} else {
			f.Severity, f.Accept, f.Hint = elfdiff.Carried, "", ""
			f.Message += "; all that refers to it is given, and replaced with it"
		}
		b.report(f)
	}
}

// Finding returns what is to be said about it: it needs judgement, or is something to
// know where nothing is known.
func (a *Affected) Finding() elfdiff.Finding {
	f := elfdiff.NewFinding(elfdiff.CodeNotGiven, a.Name, a.text())
	if len(a.Files)+len(a.Functions)+len(a.Places) == 0 && a.DefinedIn == "" && !a.Exported {
		f.Severity, f.Accept = elfdiff.Carried, ""
	}
	return f
}

func (a *Affected) text() string {
	var parts []string
	if a.DefinedIn != "" {
		parts = append(parts, "it is defined in "+a.DefinedIn+", which is not given")
	}
	for _, x := range []struct {
		list      []string
		one, many string
	}{
		{a.Files, "1 file that is not given knows it", "%d files that are not given know it"},
		{a.Functions, "1 function of what is not given takes it", "%d functions of what is not given take it"},
		{a.Places, "1 place that is not given refers to it", "%d places that are not given refer to it"},
	} {
		if text := some(x.list, x.one, x.many); text != "" {
			parts = append(parts, text)
		}
	}
	if a.Exported {
		parts = append(parts, "it is exported, and modules may call it")
	}
	if a.Unknown != "" {
		parts = append(parts, fmt.Sprintf("which other files of %s know it can't be told, since it has no debug information", a.Unknown))
	}
	return strings.Join(parts, "; ")
}

// shownAffected is how many names a message has; the others are in JSON.
const shownAffected = 5

func some(list []string, one, many string) string {
	if len(list) == 0 {
		return ""
	}
	text := one
	if len(list) > 1 {
		text = fmt.Sprintf(many, len(list))
	}
	text += ": " + strings.Join(list[:min(len(list), shownAffected)], ", ")
	if n := len(list) - shownAffected; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// elsewhere looks for what the kernel has in one object, and post in another: all that refers
// to it and is not replaced goes on with the old one, and so does what a variable holds.
func (b *builder) elsewhere(pairs []Pair) {
	gone, fresh := map[string]bool{}, map[string]bool{}
	for i := range pairs {
		for _, ch := range unpaired(pairs[i].Diff, verdict.Removed) {
			gone[nameIn(pairs[i].Diff.Pre, ch.Pre)] = true
		}
		for _, ch := range unpaired(pairs[i].Diff, verdict.New) {
			fresh[nameIn(pairs[i].Diff.Post, ch.Post)] = ch.Kind == object.Data
		}
	}
	delete(gone, "")
	for i := range pairs {
		d := pairs[i].Diff
		for _, ch := range unpaired(d, verdict.New) {
			name := nameIn(d.Post, ch.Post)
			switch {
			case gone[name]:
				b.report(elfdiff.NewFinding(elfdiff.CodeOtherObject, name, "post has it in another object than the kernel"))
			case name != "" && ch.Kind == object.Func && !d.Post.IsLocal(d.Post.Atom(ch.Post)) && b.defines(&pairs[i], name) && !isWeak(d.Post, ch.Post):
				b.refused.add(refuse(splice.CodeDefined, name, d.Post.SectionName(d.Post.Atom(ch.Post).Section), 0, "it is new in post, and the kernel has a function of that name from another object, which all that calls it goes on with"))
			}
		}
		for _, ch := range unpaired(d, verdict.Removed) {
			if name, user := takenOver(d, ch, fresh); name != "" && !gone[name] {
				b.report(elfdiff.NewFinding(elfdiff.CodeOtherObject, name, fmt.Sprintf("it may be what the kernel has in another object as %s: %s uses the one in pre and the other in post", ch.Name, user)))
			}
		}
	}
}

// takenOver returns the name of a variable of another object that a function of post uses, where
// the one of pre uses a variable that is gone.
func takenOver(d *elfdiff.Diff, ch *verdict.Change, fresh map[string]bool) (name, user string) {
	_, harmless := object.FreshStem(ch.Name)
	if ch.Kind != object.Data || harmless || !kerneltab.Of(d.Pre.SectionName(d.Pre.Atom(ch.Pre).Section)).HoldsState() {
		return "", ""
	}
	for _, u := range d.Pre.Users(ch.Pre) {
		f := d.Post.Atom(d.PostOf(d.Pre.Atom(u).Root()))
		if f == nil || f.Kind != object.Func {
			continue
		}
		for i := range f.Refs {
			r := &f.Refs[i]
			if r.Target == object.NoAtom && !r.Implicit && fresh[d.Post.Symbol(r.Sym).Name] {
				return d.Post.Symbol(r.Sym).Name, f.Name
			}
		}
	}
	return "", ""
}

// unpaired lists the functions and variables with a status.
func unpaired(d *elfdiff.Diff, status verdict.Status) (list []*verdict.Change) {
	for _, changes := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range changes {
			if changes[i].Status == status {
				list = append(list, &changes[i])
			}
		}
	}
	return list
}

// nameIn returns the name that an atom has in the source, or "" for what is made by the
// compiler, for the start, or for a table.
func nameIn(o *object.Object, id object.AtomID) string {
	a := o.Atom(id)
	row := kerneltab.Of(o.SectionName(a.Section))
	switch {
	case a.Kind != object.Func && a.Kind != object.Data && a.Kind != object.Const || a.IsLiteral() || a.Owner != object.NoAtom:
		return ""
	case row != nil && (row.Class != kerneltab.NoClass || row.Kind != kerneltab.ByFlags || a.Kind != object.Func && !row.Has(kerneltab.Plain)):
		return ""
	case strings.Contains(a.Name, ".") || strings.HasPrefix(a.Name, "__UNIQUE_ID_"):
		return ""
	}
	return a.Name
}

// defines reports whether what a pair is of has a global symbol of a name.
func (b *builder) defines(p *Pair, name string) bool {
	run := b.Kernel.run
	if p.Target != nil {
		run = p.Target.run
	}
	return slices.ContainsFunc(run.Lookup(name), func(s image.Symbol) bool { return !s.Local && s.Module != image.NoModule })
}

func isWeak(o *object.Object, id object.AtomID) bool {
	return slices.ContainsFunc(o.Atom(id).Symbols, func(i elfobj.SymbolIndex) bool { return o.Symbol(i).IsWeak() })
}
