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
}

// An Object is what livepatch calls so: the kernel itself, whose name is "", or a module.
type Object struct {
	Name      string
	Functions []Function
}

// A Function is one that is replaced.
type Function struct {
	Name     string
	Position uint64 // among those of its name, from 1; 0 when there is one
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
	var found []place
	for at := range f.refs {
		if at.offset >= patchObjs && f.isPatch(place{at.section, at.offset - patchObjs}) {
			found = append(found, place{at.section, at.offset - patchObjs})
		}
	}
	if len(found) != 1 {
		return nil, ErrNoPatch
	}
	p := &Patch{}
	if b := f.bytes(found[0].section); found[0].offset+patchReplace < uint64(len(b)) {
		p.Replace = b[found[0].offset+patchReplace] != 0
	}
	objs, _ := f.target(place{found[0].section, found[0].offset + patchObjs})
	p.Objects = f.objects(objs, size)
	if len(p.Objects) == 0 {
		return nil, ErrNoPatch
	}
	return p, nil
}

// isPatch reports whether a klp_patch is somewhere.
func (f *File) isPatch(at place) bool {
	mod, ok := f.target(place{at.section, at.offset + patchMod})
	if !ok || f.obj.Section(mod.section).Name != kerneltab.ThisModule || mod.offset != 0 {
		return false
	}
	objs, ok := f.target(place{at.section, at.offset + patchObjs})
	return ok && (f.isObject(objs) || f.isEmptyObject(objs))
}

// isObject reports whether a klp_object with functions is somewhere.
func (f *File) isObject(at place) bool {
	funcs, ok := f.target(place{at.section, at.offset + objectFuncs})
	return ok && f.isFunc(funcs)
}

// isEmptyObject reports whether a klp_object is somewhere whose functions are none, as where all
// of them are replaced in another way.
func (f *File) isEmptyObject(at place) bool {
	funcs, ok := f.target(place{at.section, at.offset + objectFuncs})
	if !ok {
		return false
	}
	_, old := f.refs[place{funcs.section, funcs.offset + funcOld}]
	_, code := f.refs[place{funcs.section, funcs.offset + funcNew}]
	word, there := f.word(funcs)
	return !old && !code && there && word == 0
}

// isFunc reports whether a klp_func is somewhere.
func (f *File) isFunc(at place) bool {
	return f.text(place{at.section, at.offset + funcOld}) != "" && f.isCode(place{at.section, at.offset + funcNew})
}

// objects returns the objects from a place on, none where two of them share their functions. They
// are an array; what else is in that section does not lead to functions.
func (f *File) objects(first place, size uint64) []Object {
	starts := map[place]bool{} // of arrays of functions
	var ats []place
	for at := range f.refs {
		if at.section != first.section || at.offset < first.offset+objectFuncs {
			continue
		}
		o := place{at.section, at.offset - objectFuncs}
		if o == first || f.isObject(o) {
			ats = append(ats, o)
			funcs, _ := f.target(at)
			starts[funcs] = true
		}
	}
	slices.SortFunc(ats, func(a, b place) int { return cmp.Compare(a.offset, b.offset) })
	if len(starts) < len(ats) {
		return nil
	}
	var out []Object
	for _, at := range ats {
		funcs, _ := f.target(place{at.section, at.offset + objectFuncs})
		out = append(out, Object{f.text(place{at.section, at.offset + objectName}), f.functions(funcs, size, starts)})
	}
	return out
}

// functions returns the functions from a place on, up to the row that ends them, or the next
// array.
func (f *File) functions(at place, size uint64, starts map[place]bool) []Function {
	out := []Function{}
	for f.isFunc(at) {
		position, _ := f.word(place{at.section, at.offset + funcPosition})
		out = append(out, Function{f.text(place{at.section, at.offset + funcOld}), position})
		if size == 0 {
			size = f.distance(at)
		}
		if size == 0 {
			break
		}
		if at.offset += size; starts[at] {
			break
		}
	}
	return out
}

// distance returns how far the next function is, 0 when there is none behind this one.
func (f *File) distance(at place) uint64 {
	for d := uint64(minFunc); d <= maxFunc; d += 8 {
		if f.isFunc(place{at.section, at.offset + d}) {
			return d
		}
	}
	return 0
}
