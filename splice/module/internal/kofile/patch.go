package kofile

import (
	"cmp"
	"errors"
	"slices"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Patch is what livepatch is asked for (struct klp_patch of include/linux/livepatch.h).
type Patch struct {
	Replace bool // it takes the place of all others
	Objects []Object
	States  []State
	At      Place
}

// An Object is what livepatch calls so: the kernel itself, whose name is "", or a module.
type Object struct {
	Name      string
	Functions []Function
	At        Place // of its klp_object
	Rows      Place // of the first klp_func
}

// A Function is one that is replaced.
type Function struct {
	Name     string
	Position uint64 // among those of its name, from 1; 0 when there is one
	At       Place  // of its klp_func
	New      Place  // of the code that is called instead
}

// ErrNoPatch is for a file that has no struct klp_patch with all that belongs to it, as one that
// puts it together when it is loaded.
var ErrNoPatch = errors.New("no struct klp_patch with its functions is in the file")

// Offsets of members, which have not changed since Linux 5.1: new ones came behind. They are
// those of klp_patch, klp_object and klp_func.
const (
	patchMod     = 0
	patchObjs    = 8
	patchReplace = 24

	objectName  = 0
	objectFuncs = 8

	funcOld      = 0
	funcNew      = 8
	funcPosition = 16
)

// The size of a klp_func depends on the configuration (152 bytes as Debian has it). Without the
// kernel's own word, the distance of two neighbours tells it, within these bounds.
const (
	minFunc = 80
	maxFunc = 1024
)

// Patch finds the klp_patch by what refers to what: a patch to the module itself and to objects,
// an object to functions, a function to its name and to code. size is that of a klp_func in
// bytes, 0 when it is not known.
func (f *File) Patch(size uint64) (*Patch, error) {
	var found []Place
	for at := range f.refs {
		if at.Offset >= patchObjs && f.isPatch(Place{at.Section, at.Offset - patchObjs}) {
			found = append(found, Place{at.Section, at.Offset - patchObjs})
		}
	}
	if len(found) != 1 {
		return nil, ErrNoPatch
	}
	p := &Patch{At: found[0], States: f.states(found[0])}
	if b := f.bytes(found[0].Section); found[0].Offset+patchReplace < uint64(len(b)) {
		p.Replace = b[found[0].Offset+patchReplace] != 0
	}
	objs, _ := f.target(Place{found[0].Section, found[0].Offset + patchObjs})
	p.Objects = f.objects(objs, size)
	if len(p.Objects) == 0 {
		return nil, ErrNoPatch
	}
	return p, nil
}

// isPatch reports whether a klp_patch is somewhere.
func (f *File) isPatch(at Place) bool {
	mod, ok := f.target(Place{at.Section, at.Offset + patchMod})
	if !ok || f.obj.Section(mod.Section).Name != kerneltab.ThisModule || mod.Offset != 0 {
		return false
	}
	objs, ok := f.target(Place{at.Section, at.Offset + patchObjs})
	return ok && (f.isObject(objs) || f.isEmptyObject(objs))
}

// isObject reports whether a klp_object with functions is somewhere.
func (f *File) isObject(at Place) bool {
	funcs, ok := f.target(Place{at.Section, at.Offset + objectFuncs})
	return ok && f.isFunc(funcs)
}

// isEmptyObject reports whether a klp_object is somewhere whose functions are none, as where all
// of them are replaced in another way.
func (f *File) isEmptyObject(at Place) bool {
	funcs, ok := f.target(Place{at.Section, at.Offset + objectFuncs})
	if !ok {
		return false
	}
	_, old := f.refs[Place{funcs.Section, funcs.Offset + funcOld}]
	_, code := f.refs[Place{funcs.Section, funcs.Offset + funcNew}]
	word, there := f.word(funcs)
	return !old && !code && there && word == 0
}

// isFunc reports whether a klp_func is somewhere.
func (f *File) isFunc(at Place) bool {
	return f.text(Place{at.Section, at.Offset + funcOld}) != "" && f.isCode(Place{at.Section, at.Offset + funcNew})
}

// objects returns the objects from a place on, none where two of them share their functions. They
// are an array; what else is in that section does not lead to functions.
func (f *File) objects(first Place, size uint64) []Object {
	starts := map[Place]bool{} // of arrays of functions
	var ats []Place
	for at := range f.refs {
		if at.Section != first.Section || at.Offset < first.Offset+objectFuncs {
			continue
		}
		o := Place{at.Section, at.Offset - objectFuncs}
		if o == first || f.isObject(o) {
			ats = append(ats, o)
			funcs, _ := f.target(at)
			starts[funcs] = true
		}
	}
	slices.SortFunc(ats, func(a, b Place) int { return cmp.Compare(a.Offset, b.Offset) })
	if len(starts) < len(ats) {
		return nil
	}
	var out []Object
	for _, at := range ats {
		funcs, _ := f.target(Place{at.Section, at.Offset + objectFuncs})
		out = append(out, Object{f.text(Place{at.Section, at.Offset + objectName}), f.functions(funcs, size, starts), at, funcs})
	}
	return out
}

// functions returns the functions from a place on, up to the row that ends them, or the next
// array.
func (f *File) functions(at Place, size uint64, starts map[Place]bool) []Function {
	out := []Function{}
	for f.isFunc(at) {
		position, _ := f.word(Place{at.Section, at.Offset + funcPosition})
		code, _ := f.target(Place{at.Section, at.Offset + funcNew})
		out = append(out, Function{f.text(Place{at.Section, at.Offset + funcOld}), position, at, code})
		if size == 0 {
			size = f.distance(at)
		}
		if size == 0 {
			break
		}
		if at.Offset += size; starts[at] {
			break
		}
	}
	return out
}

// distance returns how far the next function is, 0 when there is none behind this one.
func (f *File) distance(at Place) uint64 {
	for d := uint64(minFunc); d <= maxFunc; d += 8 {
		if f.isFunc(Place{at.Section, at.Offset + d}) {
			return d
		}
	}
	return 0
}
