package compare

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/symname"
)

// An argument is a number, or a text, on its way to a call as an argument.
type argument struct {
	call   insn.Cursor
	reg    byte // that the instruction loads; onStack when it stores it for the call
	callee string
	// place says that the same call takes the name of a source file, or of the
	// function: what goes with a line.
	place string
}

// flowAt follows what the instruction at off loads to the next call, along one
// path, with no branch on it. ok is false when it is no argument, so that it may be
// returned, stored or compared.
func (w *walk) flowAt(o *object.Object, a *object.Atom, off uint64, text bool) (f argument, ok bool) {
	load := insn.Cursor{Object: o, Atom: a, Off: off}
	if ok, err := load.Load(); !ok || err != nil {
		return f, false
	}
	f.reg = insn.OnStack
	if !text {
		if f.reg, ok = insn.ArgumentOf(&load); !ok {
			return f, false
		}
	}
	k, seen, ok := insn.CallAfter(o, a, off, text)
	if !ok {
		return f, false
	}
	f.call = k
	if len(k.Refs) == 1 {
		f.callee = insn.RefText(o, &k.Refs[0])
	}
	f.place = placeIn(o, a, append(seen, w.before(o, a, off)...))
	return f, true
}

// before lists the references of the instructions in front of off, as far as they
// belong to the same call.
func (w *walk) before(o *object.Object, a *object.Atom, off uint64) []object.Ref {
	at := func(s step) uint64 {
		if a == w.post.Atom {
			return s.post
		}
		return s.pre
	}
	i, _ := slices.BinarySearchFunc(w.steps, off, func(s step, off uint64) int { return cmp.Compare(at(s), off) })
	var refs []object.Ref
	for n := 0; n < insn.MaxArguments && i > 0; n++ {
		i--
		k := insn.Cursor{Object: o, Atom: a, Off: at(w.steps[i])}
		ok, err := k.Load()
		if !ok || err != nil || k.Inst.IsBranch() || k.Inst.Class == amd64.CallInd || k.Inst.EndsFlow() {
			break
		}
		refs = append(refs, k.Refs...)
	}
	return refs
}

// placeIn returns the first text among references that names a source file, or the
// function.
func placeIn(o *object.Object, a *object.Atom, refs []object.Ref) string {
	for i := range refs {
		t := o.Atom(refs[i].Target)
		if t == nil || t.Kind != object.Const && !t.Kind.IsLiteral() || !t.IsLiteral() && !functionNames[t.Name] {
			continue
		}
		b, ok := object.Tail(t, refs[i].TargetOff)
		if !ok {
			continue
		}
		s, _, terminated := bytes.Cut(b, []byte{0})
		if !terminated {
			continue
		}
		name, _ := symname.Variant(a.Name)
		if insn.IsSourceName(s) || string(s) == name || functionNames[symname.Stem(t.Name)] {
			return string(s)
		}
	}
	return ""
}

// functionNames are the stems of constants that hold the name of a function, or of
// the file (ACPICA).
var functionNames = map[string]bool{"__func__": true, "__FUNCTION__": true, "__PRETTY_FUNCTION__": true, "_acpi_module_name": true}
