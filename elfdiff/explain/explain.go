package explain

import (
	"fmt"
	"slices"
	"sync"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/symname"
)

// Code says in one stable word what an [Explanation] is about.
type Code string

// The explanations.
const (
	// Inlined: what differs is the code of a function that is inlined.
	Inlined Code = "inlined"
	// Inlining: post inlines functions that pre does not, or the reverse.
	Inlining Code = "inlining"
	// Renamed: the compiler made a variant of the function, or no longer
	// does, which shows in its name.
	Renamed Code = "renamed"
	// Layout: the code uses a member of a structure that was moved.
	Layout Code = "layout"
)

// Explanation says what in the source is behind a change of the code, as far
// as debug information and names tell.
type Explanation struct {
	Code Code `json:"code"`
	// Symbol is the function of the source that it is about, or the type.
	Symbol string `json:"symbol"`
	// File and Line are where that function is declared; "" and 0 when this is
	// not known.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Text is a sentence for a person.
	Text string `json:"text"`
}

// String returns the text.
func (e Explanation) String() string { return e.Text }

// Pair is what an explanation has to know of two objects and of what changed
// between them. It must not be copied once it is used.
type Pair struct {
	Pre, Post *object.Object
	// Functions are the verdicts. Explain takes a pointer to one of them.
	Functions []verdict.Change
	// PreOf has the twin in pre for each atom of post, PostOf that in post for each
	// atom of pre; [object.NoAtom] where there is none.
	PreOf, PostOf []object.AtomID
	// Types lists the types that mean something else in post.
	Types func() ([]types.Change, error)

	functions functionIndex
}

// Explain looks for reasons in the source why a function differs, or is new or
// gone. It lists none when the function's own source explains it, and when
// there is no debug information.
//
// It reads the debug information about the function, and is safe for concurrent
// use.
func (d *Pair) Explain(ch *verdict.Change) []Explanation {
	if ch == nil || ch.Kind != object.Func || ch.Status == verdict.Same {
		return nil
	}
	var list []Explanation
	if e, ok := d.renamed(ch); ok {
		list = append(list, e)
	}
	if ch.Status != verdict.Changed {
		return list
	}
	if ch = d.coldOf(ch); ch == nil {
		return list
	}
	if e, ok := d.layout(ch); ok {
		list = append(list, e)
	}
	pre, post := debug.InlineMapOf(d.Pre, d.Pre.Atom(ch.Pre)), debug.InlineMapOf(d.Post, d.Post.Atom(ch.Post))
	if pre == nil || post == nil {
		return list
	}
	if e, ok := d.inlined(ch, pre, post); ok {
		list = append(list, e)
	}
	return append(list, d.inlining(ch, pre, post)...)
}

// coldOf returns the change of the cold part of a function that changed in
// nothing else, and otherwise the change itself; nil when there is none to look
// at.
func (d *Pair) coldOf(ch *verdict.Change) *verdict.Change {
	if len(ch.Reasons) == 0 || ch.Reasons[0].Code != verdict.ReasonCold {
		return ch
	}
	base, _ := symname.Variant(ch.Name)
	for _, c := range d.index().byBase[base] {
		if a := d.Post.Atom(c.Post); c.Status == verdict.Changed && a != nil && a.Owner == ch.Post && c.Pre != object.NoAtom {
			return c
		}
	}
	return nil
}

// inlined explains a change that is, or begins, in inlined code.
func (d *Pair) inlined(ch *verdict.Change, pre, post *debug.InlineMap) (Explanation, bool) {
	if len(ch.Reasons) == 0 || !inCode[ch.Reasons[0].Code] {
		return Explanation{}, false
	}
	r := &ch.Reasons[0]
	g := d.culprit(pre, post, r)
	if g == nil {
		return Explanation{}, false
	}
	total, own, of := d.attribute(ch, pre, post, g.Name)
	text := "all that differs is code of " + g.Name
	if of < total {
		text = "the first difference is in code of " + g.Name
	}
	text += fmt.Sprintf(", which is inlined here by the call in line %d", g.CallLine)
	if of < total {
		text += fmt.Sprintf("; %d of %d instructions that differ are of %s, %d of the function's own lines", of, total, g.Name, own)
	}
	if known, _ := d.bodyOf(g.Name); known != "" {
		text += "; " + known
	}
	return Explanation{Code: Inlined, Symbol: g.Name, File: g.File, Line: g.Function.Line, Text: text}, true
}

// culprit returns the inlined call of post whose function differs, as far as
// can be told: of those that both sides have around the first difference the
// innermost that nothing speaks against. A function of the same file is more
// likely than one of a header, which gets its arguments from it.
func (d *Pair) culprit(pre, post *debug.InlineMap, r *verdict.Reason) *debug.Call {
	p := pre.Chain(r.PreOffset)
	var found *debug.Call
	for _, c := range post.Chain(r.PostOffset) {
		both := slices.ContainsFunc(p, func(q *debug.Call) bool { return q.Name == c.Name && c.Name != "" })
		if _, same := d.bodyOf(c.Name); !both || same {
			continue
		}
		if c.File == post.Own.File {
			return c
		}
		if found == nil {
			found = c
		}
	}
	return found
}

// inCode are the reasons whose offsets are those of instructions.
var inCode = map[verdict.ReasonCode]bool{
	verdict.ReasonInstruction: true, verdict.ReasonLength: true, verdict.ReasonTarget: true,
	verdict.ReasonReference: true, verdict.ReasonString: true, verdict.ReasonConstant: true,
}

// attribute counts the instructions that differ, those of them that are of the
// function's own lines, and those that are of a function that is inlined, or of
// what is inlined into that.
func (d *Pair) attribute(ch *verdict.Change, pre, post *debug.InlineMap, name string) (total, own, of int) {
	count := func(m *debug.InlineMap, off uint64) {
		total++
		list := m.Chain(off)
		switch {
		case len(list) == 0:
			own++
		case slices.ContainsFunc(list, func(c *debug.Call) bool { return c.Name == name }):
			of++
		}
	}
	d.differing(ch, func(side int, off uint64) { count([2]*debug.InlineMap{pre, post}[side], off) })
	return total, own, of
}

// bodyOf says what else is known about a function that is inlined: a copy out
// of line, and the functions that it is inlined into. same is set when that
// speaks against a change of it.
func (d *Pair) bodyOf(name string) (text string, same bool) {
	x := d.index()
	for _, ch := range x.byBase[name] {
		if ch.Pre == object.NoAtom || ch.Post == object.NoAtom {
			continue
		}
		if ch.Status == verdict.Changed {
			return "the copy of it that is called has changed as well", false
		}
		return "the copy of it that is called has not changed", true
	}
	list := debug.InlinersOf(d.Post, name)
	for _, id := range list {
		if ch := x.byPost[id]; ch != nil && ch.Status == verdict.Same {
			return fmt.Sprintf("it is inlined into %s as well, which has not changed", d.Post.Atoms[id].Name), true
		}
	}
	if n := len(list); n > 1 {
		return fmt.Sprintf("all %d functions that it is inlined into have changed", n), false
	}
	return "", false
}

// functionIndex finds verdicts on functions. It is made when the first
// explanation is asked for.
type functionIndex struct {
	once   sync.Once
	byPost map[object.AtomID]*verdict.Change
	byBase map[string][]*verdict.Change // by the name without what the compiler added
}

// index finds the verdicts.
func (d *Pair) index() *functionIndex {
	x := &d.functions
	x.once.Do(func() {
		x.byPost, x.byBase = map[object.AtomID]*verdict.Change{}, map[string][]*verdict.Change{}
		for i := range d.Functions {
			ch := &d.Functions[i]
			if ch.Post != object.NoAtom {
				x.byPost[ch.Post] = ch
			}
			base, _ := symname.Variant(ch.Name)
			x.byBase[base] = append(x.byBase[base], ch)
		}
	})
	return x
}
