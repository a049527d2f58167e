package typediff

import (
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/dwarf"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/symname"
)

// signatures compares the signatures of the changed functions, and of what they
// call.
func (f *typeFinder) signatures() {
	var names [2]map[string]uint64
	checked := map[string]int{} // index in list + 1
	for i := range f.d.Functions {
		ch := &f.d.Functions[i]
		if ch.Status != verdict.Changed {
			continue
		}
		if names[0] == nil {
			names = [2]map[string]uint64{functions(f.c.Side[0]), functions(f.c.Side[1])}
		}
		for _, name := range f.called(ch) {
			n, known := checked[name]
			if !known {
				n = f.signature(name, names)
				checked[name] = n
			}
			if n > 0 {
				t := &f.list[n-1]
				t.Uses = append(t.Uses, types.Use{Symbol: ch.Name, Pre: ch.Pre, Post: ch.Post})
			}
		}
	}
}

// called lists the names of a function and of those that pre and post of it
// both refer to.
func (f *typeFinder) called(ch *verdict.Change) []string {
	base, _ := symname.Variant(ch.Name)
	names := []string{base}
	pre := map[string]bool{}
	for i := range f.d.Pre.Atoms[ch.Pre].Refs {
		pre[calleeAt(f.d.Pre, &f.d.Pre.Atoms[ch.Pre].Refs[i])] = true
	}
	for i := range f.d.Post.Atoms[ch.Post].Refs {
		if name := calleeAt(f.d.Post, &f.d.Post.Atoms[ch.Post].Refs[i]); name != "" && pre[name] {
			names = append(names, name)
			delete(pre, name)
		}
	}
	return names
}

// calleeAt names the function that a reference may be to, as the source does.
func calleeAt(o *object.Object, r *object.Ref) string {
	name := ""
	if r.Target == object.NoAtom {
		name = o.Symbols()[r.Sym].Name
	} else if a := &o.Atoms[r.Target]; a.Kind == object.Func {
		name = a.Name
	}
	base, _ := symname.Variant(name)
	return base
}

// functions lists the entries of functions by name, definitions rather than
// declarations.
func functions(s *dtypes.Side) map[string]uint64 {
	m := make(map[string]uint64, len(s.Index.Functions))
	var e dwarf.Entry
	for _, off := range s.Index.Functions {
		if !s.Data.Entry(&e, off) || !e.Has(dwarf.AttrName) {
			continue // a concrete instance of one that has
		}
		name := e.Name()
		if _, ok := m[name]; !ok || !e.Has(dwarf.AttrDeclaration) {
			m[name] = off
		}
	}
	return m
}

// signature compares the signature of one function, and returns its index in
// the list + 1 when it differs, otherwise 0.
func (f *typeFinder) signature(name string, names [2]map[string]uint64) int {
	var p, q dwarf.Entry
	a, b := names[0][name], names[1][name]
	if a == 0 || b == 0 || !f.c.Side[0].Data.Entry(&p, a) || !f.c.Side[1].Data.Entry(&q, b) || f.c.SameSignature(&p, &q, 0) {
		return 0
	}
	t := Found{}
	t.Kind, t.Name, t.Handed = types.SignatureChanged, name, isHanded(f.d.Pre, name)
	t.Local = !t.Handed && isStatic(f.d.Pre, name)
	f.c.Change(&t.Change, f.c.Side[0].Signature(&p), f.c.Side[1].Signature(&q))
	if len(t.Members) == 0 {
		return 0
	}
	f.list = append(f.list, t)
	return len(f.list)
}

// isHanded reports whether code or data of an object has the address of a function, and does not just call it. What is in
// tables of the kernel, such as the list of exports, counts for nothing.
func isHanded(o *object.Object, name string) bool {
	for id, a := range o.Functions() {
		if base, _ := symname.Variant(a.Name); base != name {
			continue
		}
		for _, u := range o.Users(id) {
			b := &o.Atoms[u]
			row := kerneltab.Of(o.SectionName(b.Section))
			if b.Kind != object.Func && (correlate.ClassOf(b) == 0 || row != nil && row.Class != kerneltab.NoClass) {
				continue
			}
			for i := range b.Refs {
				if r := &b.Refs[i]; r.Target == id && r.TargetOff == 0 && !r.Implicit && !object.IsCall(b, r) {
					return true
				}
			}
		}
	}
	return false
}
