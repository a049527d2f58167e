package elfdiff

import (
	"bytes"
	"cmp"
	"path"
	"slices"

	"github.com/gosplice/gosplice/internal/amd64"
)

// A flow is a number, or a text, on its way to a call as an argument.
type flow struct {
	call   cursor
	reg    byte // that the instruction loads; onStack when it stores it for the call
	callee string
	// place says that the same call takes the name of a source file, or of the
	// function: what goes with a line.
	place string
}

// flowAt follows what the instruction at off loads to the next call, along one
// path, with no branch on it. ok is false when it is no argument, so that it may be
// returned, stored or compared.
func (w *walk) flowAt(o *Object, a *Atom, off uint64, text bool) (f flow, ok bool) {
	load := cursor{o: o, a: a, off: off}
	if ok, err := load.load(); !ok || err != nil {
		return f, false
	}
	f.reg = onStack
	if !text {
		if f.reg, ok = argumentOf(&load); !ok {
			return f, false
		}
	}
	k, seen, ok := callAfter(o, a, off, text)
	if !ok {
		return f, false
	}
	f.call = k
	if len(k.refs) == 1 {
		f.callee = o.refText(&k.refs[0])
	}
	f.place = o.placeIn(a, append(seen, w.before(o, a, off)...))
	return f, true
}

// argumentOf returns the register that an instruction loads a constant into, or
// onStack for push $imm and for mov $imm,n(%rsp).
func argumentOf(k *cursor) (reg byte, ok bool) {
	b := k.bytes()
	switch op := b[k.in.OpOff]; {
	case op&^7 == opMovImm32 && k.in.ImmLen == 4:
		reg = loaded(k)
		return reg, slices.Contains(argumentRegisters[:], reg)
	case op == opPushImm8 || op == opPushImm32:
		return onStack, true
	case op == opMovMemImm && int(k.in.OpOff)+2 < len(b):
		modrm, sib := b[k.in.OpOff+1], b[k.in.OpOff+2]
		return onStack, modrm&0xc0 != 0xc0 && modrm&7 == 4 && sib&7 == 4
	}
	return 0, false
}

// loadsConstant reports whether an instruction is mov $imm32 to a register.
func loadsConstant(k *cursor, reg byte) bool {
	return k.in.ImmLen == 4 && k.bytes()[k.in.OpOff]&^7 == opMovImm32 && loaded(k) == reg
}

const (
	opPushImm8  = 0x6a
	opPushImm32 = 0x68
	opMovMemImm = 0xc7
)

// before lists the references of the instructions in front of off, as far as they
// belong to the same call.
func (w *walk) before(o *Object, a *Atom, off uint64) []Ref {
	at := func(s step) uint64 {
		if a == w.post.a {
			return s.post
		}
		return s.pre
	}
	i, _ := slices.BinarySearchFunc(w.steps, off, func(s step, off uint64) int { return cmp.Compare(at(s), off) })
	var refs []Ref
	for n := 0; n < maxArguments && i > 0; n++ {
		i--
		k := cursor{o: o, a: a, off: at(w.steps[i])}
		ok, err := k.load()
		if !ok || err != nil || k.in.IsBranch() || k.in.Class == amd64.CallInd || k.in.EndsFlow() {
			break
		}
		refs = append(refs, k.refs...)
	}
	return refs
}

// placeIn returns the first text among references that names a source file, or the
// function.
func (o *Object) placeIn(a *Atom, refs []Ref) string {
	for i := range refs {
		t := o.Atom(refs[i].Target)
		if t == nil || t.Kind != Const && !t.Kind.IsLiteral() || !isLiteral(t) && !functionNames[t.Name] {
			continue
		}
		b, ok := tail(t, refs[i].TargetOff)
		if !ok {
			continue
		}
		s, _, terminated := bytes.Cut(b, []byte{0})
		if !terminated {
			continue
		}
		name, _ := variant(a.Name)
		if isSourceName(s) || string(s) == name || functionNames[stem(t.Name)] {
			return string(s)
		}
	}
	return ""
}

// functionNames are the stems of constants that hold the name of a function, or of
// the file (ACPICA).
var functionNames = map[string]bool{"__func__": true, "__FUNCTION__": true, "__PRETTY_FUNCTION__": true, "_acpi_module_name": true}

// sourceNames are the ends of the names of source files.
var sourceNames = map[string]bool{
	".c": true, ".h": true, ".cc": true, ".cpp": true, ".cxx": true, ".C": true, ".hh": true, ".hpp": true, ".hxx": true,
	".inl": true, ".inc": true, ".ipp": true, ".tcc": true, ".m": true, ".mm": true, ".S": true, ".s": true, ".rs": true, ".y": true, ".l": true,
}

// isSourceName reports whether a text is the name of a source file, as __FILE__ is.
func isSourceName(s []byte) bool {
	return len(s) < 4096 && sourceNames[path.Ext(string(s))] && !bytes.ContainsAny(s, " \t\n%")
}
