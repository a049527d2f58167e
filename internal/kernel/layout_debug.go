package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/internal/dwarf"
)

// debugInfo is the section of debug information.
const debugInfo = ".debug_info"

// errNoTypes is of a kernel that does not say how its structures are laid out.
var errNoTypes = errors.New("no such section, and no .BTF either: the kernel was built without CONFIG_DEBUG_INFO_BTF, and its vmlinux has no debug information")

// debugLayout is readLayout by the debug information of a kernel without BTF.
func (k *Image) debugLayout() (Layout, []lack, error) {
	d := dwarf.NewLinked(k.File)
	if !d.HasEntries() {
		return nil, nil, errNoTypes
	}
	r := &debugReader{d: d, out: Layout{}, wanted: map[string]bool{}}
	for i := range needed {
		r.wanted[needed[i].name] = true
	}
	if err := d.EachUnit(context.Background(), nil, r.unit); err != nil {
		return nil, nil, err
	}
	if r.err != nil {
		return nil, nil, r.err
	}
	if !r.search || r.others {
		delete(r.out, searchArg)
	}
	var lacks []lack
	for i := range needed {
		n := &needed[i]
		l, ok := r.out[n.name]
		switch {
		case ok:
			lacks = n.missing(&l, lacks)
		case !n.optional:
			lacks = append(lacks, lack{n.name, fmt.Errorf("struct %s: not found", n.name)})
		}
	}
	return r.out, lacks, nil
}

// debugReader reads the structures that are needed, each where it is met first: what is
// the same all over the kernel is in one header.
type debugReader struct {
	d      *dwarf.Data
	out    Layout
	wanted map[string]bool
	search bool // find_symbol() is as isSearch has it,
	others bool // and there is one that is not
	err    error
}

// unit goes through the outermost entries of a unit.
func (r *debugReader) unit(u *dwarf.Unit) bool {
	var e dwarf.Entry
	for x := u.Reader(); r.err == nil && x.Next(&e); {
		if e.Tag == dwarf.TagCompileUnit {
			continue
		}
		if name := string(e.Text(dwarf.AttrName)); name != "" && !e.Has(dwarf.AttrDeclaration) {
			r.entry(&e, name)
		}
		x.Skip(&e)
		if err := x.Err(); err != nil {
			r.err = err
		}
	}
	return r.err == nil
}

func (r *debugReader) entry(e *dwarf.Entry, name string) {
	_, known := r.out[name]
	switch {
	case e.Tag == dwarf.TagStructure && r.wanted[name]:
		size, _ := e.Int(dwarf.AttrByteSize)
		if known {
			if r.out[name].Size != uint64(size) {
				r.err = fmt.Errorf("struct %s: of %d bytes in one file, and of %d in another", name, r.out[name].Size, size)
			}
			return
		}
		l := Struct{Name: name, Size: uint64(size), Offsets: map[string]uint64{}, Bits: map[string]uint64{}}
		if err := r.members(&l, e, 0, 0); err != nil {
			r.err = fmt.Errorf("struct %s: %w", name, err)
		}
		r.out[name] = l
	case e.Tag == dwarf.TagEnumeration && name == memoryKinds && !known:
		l := Struct{Name: name, Offsets: map[string]uint64{}}
		var v dwarf.Entry
		for x := dwarf.ChildrenOf(e); x.NextSibling(&v); x.Skip(&v) {
			n, _ := v.Int(dwarf.AttrConstValue)
			l.Offsets[string(v.Text(dwarf.AttrName))] = uint64(n)
		}
		r.out[name] = l
	case e.Tag == dwarf.TagSubprogram && name == "find_symbol":
		if r.isSearch(e) {
			r.search = true
		} else {
			r.others = true
		}
	}
}

// members is Struct.add.
func (r *debugReader) members(l *Struct, e *dwarf.Entry, base uint64, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	var m dwarf.Entry
	for x := dwarf.ChildrenOf(e); x.NextSibling(&m); x.Skip(&m) {
		if m.Tag != dwarf.TagMember {
			continue
		}
		at, _ := m.Int(dwarf.AttrMemberLocation)
		off := base + uint64(at)
		width, _ := m.Int(dwarf.AttrBitSize)
		if bit, ok := m.Int(dwarf.AttrDataBitOffset); ok {
			off = base + uint64(bit)/8
		}
		if name := string(m.Text(dwarf.AttrName)); name != "" {
			l.Offsets[name] = off
			if width > 0 {
				l.Bits[name] = uint64(width)
			}
			continue
		}
		var t dwarf.Entry
		if r.resolve(&t, &m) && (t.Tag == dwarf.TagStructure || t.Tag == dwarf.TagUnion) {
			if err := r.members(l, &t, off, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolve reads the type of an entry, behind qualifiers and typedefs.
func (r *debugReader) resolve(t, of *dwarf.Entry) bool {
	*t = *of
	for range maxDepth {
		to, ok := t.Ref(dwarf.AttrType)
		if !ok || !r.d.Entry(t, to) {
			return false
		}
		switch t.Tag {
		case dwarf.TagTypedef, dwarf.TagConst, dwarf.TagVolatile:
		default:
			return true
		}
	}
	return false
}

// isSearch is isSearch of BTF for a function.
func (r *debugReader) isSearch(e *dwarf.Entry) bool {
	var p, t dwarf.Entry
	params := 0
	for x := dwarf.ChildrenOf(e); x.NextSibling(&p); x.Skip(&p) {
		if p.Tag != dwarf.TagFormalParameter {
			continue
		}
		params++
		if !r.resolve(&t, &p) || t.Tag != dwarf.TagPointer || !r.resolve(&t, &t) || string(t.Text(dwarf.AttrName)) != searchArg {
			return false
		}
	}
	if params != 1 || !r.resolve(&t, e) {
		return false
	}
	size, ok := t.Int(dwarf.AttrByteSize)
	return ok && size == 1
}
