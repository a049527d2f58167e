// Package btfids fills the section [kerneltab.TypeIDs], whose numbers of types are zero in
// an object. The kernel's build fills them in when it links the image; for new ones, this
// does.
package btfids

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// A Slot is a symbol of that section: __BTF_ID__struct__file__4711 is the number
// of a type, __BTF_ID__set__name and __BTF_ID__set8__name are sets of them.
type Slot struct {
	Kind, Name   string
	Offset, Size uint64 // in the section, bytes
}

// parse takes a symbol's name apart.
func parse(s *elfobj.Symbol) (id Slot, ok bool) {
	rest, ok := strings.CutPrefix(s.Name, "__BTF_ID__")
	if !ok {
		return id, false
	}
	kind, name, ok := strings.Cut(rest, "__")
	if i := strings.LastIndex(name, "__"); i >= 0 && !strings.HasPrefix(kind, "set") {
		name = name[:i] // a counter and the line
	}
	return Slot{kind, name, s.Value, s.Size}, ok
}

// Fill returns the content of section i of an object, with the numbers that a kernel has
// for types, and what number could not tell.
func Fill(spec *elfobj.Spec, i int, number func(Slot) (uint32, error)) (data []byte, errs []error) {
	s := &spec.Sections[i]
	data = slices.Clone(s.Data)
	var sets []Slot
	for k := range spec.Symbols {
		sym := &spec.Symbols[k]
		id, ok := parse(sym)
		if !ok || int(sym.Section) != i || id.Offset+4 > uint64(len(data)) {
			continue
		}
		if strings.HasPrefix(id.Kind, "set") {
			sets = append(sets, id)
			continue
		}
		n, err := number(id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		binary.LittleEndian.PutUint32(data[id.Offset:], n)
	}
	for _, set := range sets {
		end := min(set.Offset+set.Size, uint64(len(data)))
		sortSet(data[set.Offset:end], set.Kind == "set8")
	}
	return data, errs
}

// sortSet completes a set: the number of its members, which stand behind it in
// ascending order (struct btf_id_set; struct btf_id_set8 has flags with each).
func sortSet(b []byte, flags bool) {
	width := 4
	if flags {
		width = 8
	}
	if len(b) < width {
		return
	}
	members := slices.Collect(slices.Chunk(slices.Clone(b[width:len(b)-len(b)%width]), width))
	slices.SortStableFunc(members, func(x, y []byte) int {
		return cmp.Compare(binary.LittleEndian.Uint32(x), binary.LittleEndian.Uint32(y))
	})
	binary.LittleEndian.PutUint32(b, uint32(len(members)))
	for i, m := range members {
		copy(b[(i+1)*width:], m)
	}
}
