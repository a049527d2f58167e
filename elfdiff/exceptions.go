package elfdiff

import (
	"debug/elf"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// unwinding includes the records that describe included functions, with what
// these refer to.
func (in *includer) unwinding() {
	handles := map[object.AtomID]bool{}
	for i := range in.Post.Atoms {
		a := &in.Post.Atoms[i]
		if a.Kind != object.Unwind || a.Owner == object.NoAtom || !in.carried.Included[a.Owner] {
			continue
		}
		in.add(a.ID)
		if cie := extraction.CIEOf(in.Post, a); cie != object.NoAtom {
			in.add(cie)
		}
		for _, r := range a.Refs {
			if r.Target != object.NoAtom && in.Post.Atoms[r.Target].Kind == object.LSDA {
				handles[in.parentOf(a.Owner)] = true
				in.report(findingAt(in.Post, CodeException, in.parentOf(a.Owner), 0, "it catches exceptions, or has destructors to run for them"))
			}
		}
	}
	in.drain()
	in.exceptionPaths(handles)
}

// isCell reports whether a variable holds addresses for the unwinder alone, which
// reads them through pc-relative references and never writes: DW.ref.* of the ABI
// for personality routines and types, and clang's stubs without a name. A copy with
// the same content is as good.
func isCell(o *object.Object, id object.AtomID) bool {
	a := &o.Atoms[id]
	const pointer = 8
	users := o.Users(id)
	if a.Kind != object.Data || a.NoBits || len(users) == 0 || uint64(len(a.Refs))*pointer != a.Size {
		return false
	}
	for _, s := range a.Symbols {
		if sym := o.Symbol(s); sym.Bind() != elf.STB_LOCAL && sym.Visibility() != elf.STV_HIDDEN {
			return false
		}
	}
	return !slices.ContainsFunc(users, func(u object.AtomID) bool {
		return o.Atoms[u].Kind != object.Unwind && o.Atoms[u].Kind != object.LSDA
	})
}

// exceptionPaths notes the changed functions of C++ that call something, and have
// no exception table: what their callees throw passes through them.
func (in *includer) exceptionPaths(handles map[object.AtomID]bool) {
	cxx := slices.ContainsFunc(in.Post.Symbols(), func(s elfobj.Symbol) bool { return strings.HasPrefix(s.Name, "_Z") })
	for i := range in.Post.Atoms {
		a := &in.Post.Atoms[i]
		if cxx && a.Kind == object.Func && in.carried.Included[a.ID] && !handles[in.parentOf(a.ID)] && in.callsOut(a) {
			in.report(findingAt(in.Post, CodeExceptionPath, in.parentOf(a.ID), 0, "an exception may pass through it, from what it calls"))
		}
	}
}

// callsOut reports whether a function calls what is not carried.
func (in *includer) callsOut(a *object.Atom) bool {
	const call = 0xe8
	return slices.ContainsFunc(a.Refs, func(r object.Ref) bool {
		return r.Offset > 0 && r.Offset <= uint64(len(a.Bytes)) && a.Bytes[r.Offset-1] == call && (r.Target == object.NoAtom || !in.carried.Included[r.Target])
	})
}

// parentOf returns the function that a cold part belongs to, or the function
// itself.
func (in *includer) parentOf(id object.AtomID) object.AtomID {
	if p := in.Post.Atoms[id].Owner; p != object.NoAtom {
		return p
	}
	return id
}
