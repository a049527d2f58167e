package module

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// The numbers of types in the section [kerneltab.TypeIDs] are zero in an object. The
// kernel's build fills them in when it links the image; for new ones, this does.

// A typeID is a symbol of that section: __BTF_ID__struct__file__4711 is the number
// of a type, __BTF_ID__set__name and __BTF_ID__set8__name are sets of them.
type typeID struct {
	kind, name string
	off, size  uint64
}

// parseTypeID takes a symbol's name apart.
func parseTypeID(s *elfobj.Symbol) (id typeID, ok bool) {
	rest, ok := strings.CutPrefix(s.Name, "__BTF_ID__")
	if !ok {
		return id, false
	}
	kind, name, ok := strings.Cut(rest, "__")
	if i := strings.LastIndex(name, "__"); i >= 0 && !strings.HasPrefix(kind, "set") {
		name = name[:i] // a counter and the line
	}
	return typeID{kind, name, s.Value, s.Size}, ok
}

// fillTypeIDs returns the content of a section of numbers of types, with the
// numbers that this kernel has for them.
func (l *linker) fillTypeIDs(i int) []byte {
	s := &l.spec.Sections[i]
	data := slices.Clone(s.Data)
	var sets []typeID
	for k := range l.spec.Symbols {
		sym := &l.spec.Symbols[k]
		id, ok := parseTypeID(sym)
		if !ok || int(sym.Section) != i || id.off+4 > uint64(len(data)) {
			continue
		}
		if strings.HasPrefix(id.kind, "set") {
			sets = append(sets, id)
			continue
		}
		n, err := l.typeID(id)
		if err != nil {
			l.refused.add(err)
			continue
		}
		binary.LittleEndian.PutUint32(data[id.off:], n)
	}
	for _, set := range sets {
		end := min(set.off+set.size, uint64(len(data)))
		sortTypeIDs(data[set.off:end], set.kind == "set8")
	}
	return data
}

func (l *linker) typeID(id typeID) (uint32, error) {
	types, err := l.typesOf()
	if err != nil {
		return 0, err
	}
	n, ok := types.ID(id.kind, id.name)
	if !ok {
		return 0, refuse(CodeTypeID, id.name, kerneltab.TypeIDs, id.off, "this kernel's BTF has no %s of that name", id.kind)
	}
	return n, nil
}

// sortTypeIDs completes a set: the number of its members, which stand behind it in
// ascending order (struct btf_id_set; struct btf_id_set8 has flags with each).
func sortTypeIDs(b []byte, flags bool) {
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

// knownTypes is what a builder reads of the kernel's types, when it needs them.
type knownTypes struct{ types *kernel.Types }
