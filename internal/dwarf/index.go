package dwarf

import (
	"cmp"
	"slices"
)

// Index lists what the units of an object consist of.
type Index struct {
	d *Data
	// Types are the named structures, unions and enumerations that are not inside
	// others, in the order of the file, without declarations. Enums are the
	// enumerations without a name. Variables and Functions likewise; declarations
	// and abstract functions are among them.
	Types, Enums, Typedefs, Variables, Functions []uint64

	code []codeRange // of concrete functions, by place
}

// codeRange is code of a function.
type codeRange struct {
	Range
	entry uint64
}

// Index goes through the outermost entries of all units when it is called
// first, and through those of namespaces. What can't be read ends the index,
// and is returned as an error beside what was found before it.
func (d *Data) Index() (*Index, error) { return d.index.get(d.readIndex) }

func (d *Data) readIndex() (*Index, error) {
	units, err := d.Units()
	x := &Index{d: d}
	for _, u := range units {
		if e := x.unit(u); err == nil {
			err = e
		}
	}
	slices.SortStableFunc(x.code, func(a, b codeRange) int {
		return cmp.Or(cmp.Compare(a.Section, b.Section), cmp.Compare(a.Offset, b.Offset))
	})
	return x, err
}

// outermost are the tags that matter to the index.
var outermost = tagSet(TagNull, TagNamespace, TagStructure, TagClass, TagUnion, TagEnumeration, TagTypedef, TagVariable, TagSubprogram)

func (x *Index) unit(u *Unit) error {
	var e Entry
	var ranges []Range
	r := u.Reader()
	if !r.Next(&e) {
		return r.Err()
	}
	for r.skipPlain(outermost); r.Next(&e); r.skipPlain(outermost) {
		switch e.Tag {
		case TagNull, TagNamespace:
			continue
		case TagStructure, TagClass, TagUnion, TagEnumeration:
			switch {
			case e.Has(AttrDeclaration):
			case e.Has(AttrName):
				x.Types = append(x.Types, e.Offset)
			case e.Tag == TagEnumeration:
				x.Enums = append(x.Enums, e.Offset)
			}
		case TagTypedef:
			x.Typedefs = append(x.Typedefs, e.Offset)
		case TagVariable:
			x.Variables = append(x.Variables, e.Offset)
		case TagSubprogram:
			x.Functions = append(x.Functions, e.Offset)
			if !e.Has(AttrLowPC) && !e.Has(AttrRanges) {
				break
			}
			ranges = e.AppendRanges(ranges[:0])
			for _, c := range ranges {
				x.code = append(x.code, codeRange{c, e.Offset})
			}
		}
		r.Skip(&e)
	}
	return r.Err()
}

// FunctionAt returns the offset of the entry of the function that has code at
// a place: a DW_TAG_subprogram.
func (x *Index) FunctionAt(a Addr) (entry uint64, ok bool) {
	i, _ := slices.BinarySearchFunc(x.code, a, func(c codeRange, a Addr) int {
		if n := cmp.Compare(c.Section, a.Section); n != 0 {
			return n
		}
		if c.Offset <= a.Offset {
			return -1
		}
		return 1
	})
	if i == 0 || !x.code[i-1].Contains(a) {
		return 0, false
	}
	return x.code[i-1].entry, true
}
