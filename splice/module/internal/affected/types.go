package affected

import (
	"context"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// wantedTags are the tags of types by the words in front of their names.
var wantedTags = []struct {
	word string
	tag  dwarf.Tag
}{
	{"struct ", dwarf.TagStructure}, {"class ", dwarf.TagStructure}, {"union ", dwarf.TagUnion}, {"enum ", dwarf.TagEnumeration},
}

// wanted says what to search debug information for.
func (c *change) wanted() dwarf.Wanted {
	if c.Kind == types.ConstantChanged {
		return dwarf.Wanted{Tag: dwarf.TagEnumerator, Name: c.Name}
	}
	for _, t := range wantedTags {
		if name, ok := strings.CutPrefix(c.Name, t.word); ok {
			return dwarf.Wanted{Tag: t.tag, Name: name, Size: c.size}
		}
	}
	return dwarf.Wanted{Tag: dwarf.TagTypedef, Name: c.Name}
}

// types finds the files that know the changed types.
func (f *finder) types(ctx context.Context) error {
	var list []*change
	var wanted []dwarf.Wanted
	for _, c := range f.list {
		if c.Kind != types.SignatureChanged {
			list, wanted = append(list, c), append(wanted, c.wanted())
		}
	}
	if len(list) == 0 {
		return nil
	}
	if d := dwarf.NewLinked(f.k.Image.File); d.HasEntries() {
		err := d.UnitsWith(ctx, wanted, func(u *dwarf.Unit, which []int) { f.knows(&f.k.Code, u, list, which) })
		if err != nil {
			return err
		}
	} else if err := f.takers(list, wanted); err != nil {
		return err
	}
	for t := range f.given {
		if t.Module == nil {
			continue
		}
		if err := f.typesIn(ctx, t, list, wanted); err != nil {
			return err
		}
	}
	return nil
}

// knows notes a file that knows some of the types, unless it is given.
func (f *finder) knows(t *Code, u *dwarf.Unit, list []*change, which []int) {
	root := u.Root()
	for _, r := range root.AppendRanges(nil) {
		addr, ok := r.Offset, true
		if t.Module != nil {
			addr, ok = t.Module.Addr(r.Section, r.Offset)
		}
		if ok && f.given[t].meets(addr, r.Size) {
			return
		}
	}
	name := root.Name()
	if t.Module != nil {
		name += " of " + t.name()
	}
	for _, i := range which {
		list[i].Files = append(list[i].Files, name)
	}
}

// typesIn is types for a module that is patched, if its file has debug information.
func (f *finder) typesIn(ctx context.Context, t *Code, list []*change, wanted []dwarf.Wanted) error {
	d := dwarf.New(t.Module.File)
	if d.HasEntries() {
		return d.UnitsWith(ctx, wanted, func(u *dwarf.Unit, which []int) { f.knows(t, u, list, which) })
	}
	for _, c := range list {
		if slices.Contains(c.in, t) {
			c.Unknown = t.name()
		}
	}
	return nil
}

// takers lists the functions that take the types as arguments, by BTF, which has no
// files.
func (f *finder) takers(list []*change, wanted []dwarf.Wanted) error {
	types, err := f.k.Image.Types()
	if err != nil {
		return err
	}
	for i, c := range list {
		for _, name := range types.Takers(wanted[i].Name) {
			for _, s := range f.k.Image.Symbols(name) {
				if !f.given[&f.k.Code].meets(s.Addr, s.Size) && !f.k.Image.IsInit(s.Addr) {
					c.Functions = append(c.Functions, name)
				}
			}
		}
		if len(c.Functions) == 0 {
			c.Unknown = "the kernel"
		}
	}
	return nil
}
