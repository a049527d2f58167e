package explain

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/dwarf"
	"github.com/gosplice/gosplice/internal/symname"
)

// inlining explains that other functions are inlined than before.
func (d *Pair) inlining(ch *verdict.Change, pre, post *debug.InlineMap) []Explanation {
	p, q := names(pre), names(post)
	var list []Explanation
	for _, f := range notIn(post, p) {
		text := "post inlines " + f.Name
		if mentions(d.Pre, ch.Pre, f.Name) {
			text += ", which pre calls"
		}
		list = append(list, inliningOf(f, text))
	}
	for _, f := range notIn(pre, q) {
		text := fmt.Sprintf("pre inlines %s, post does not have it", f.Name)
		if mentions(d.Post, ch.Post, f.Name) {
			text = fmt.Sprintf("post calls %s, which pre inlines", f.Name)
		}
		list = append(list, inliningOf(f, text))
	}
	return list
}

func inliningOf(f dwarf.Function, text string) Explanation {
	return Explanation{Code: Inlining, Symbol: f.Name, File: f.File, Line: f.Line, Text: text}
}

// names returns the names of the inlined functions.
func names(m *debug.InlineMap) map[string]bool {
	names := map[string]bool{}
	for i := range m.Calls {
		names[m.Calls[i].Name] = true
	}
	return names
}

// notIn returns the inlined functions that the other side does not inline, in
// the order of their calls. Those that come with one of them are left out.
func notIn(m *debug.InlineMap, names map[string]bool) []dwarf.Function {
	var list []dwarf.Function
	listed := map[string]bool{"": true, m.Own.Name: true}
	for i := range m.Calls {
		c := &m.Calls[i]
		if names[c.Name] || c.Parent != debug.OwnCode && !names[m.Calls[c.Parent].Name] || listed[c.Name] {
			continue
		}
		listed[c.Name] = true
		list = append(list, c.Function)
	}
	return list
}

// mentions reports whether a function refers to one with a name, or to a
// variant of it.
func mentions(o *object.Object, f object.AtomID, name string) bool {
	for i := range o.Atoms[f].Refs {
		r := &o.Atoms[f].Refs[i]
		text := ""
		if r.Target != object.NoAtom {
			text = o.Atoms[r.Target].Name
		} else {
			text = o.Symbols()[r.Sym].Name
		}
		if base, _ := symname.Variant(text); base == name {
			return true
		}
	}
	return false
}
