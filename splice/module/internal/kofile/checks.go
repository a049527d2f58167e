package kofile

import (
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/splice/module/internal/kcode"
	"github.com/gosplice/gosplice/splice/module/internal/klink"
)

// A Check is code that a module of package module wants to be in the kernel itself, before it
// changes anything.
type Check struct {
	Name string // of the function, or of what else it is
	At   Address
	Want []byte // without the fields
	Mask []byte // bits of Want that have to be there; as long
	// Fields are parts of Want that hold an address, which the loader fills in.
	Fields []Field
}

// An Address is that of a symbol that the kernel exports, and a distance.
type Address struct {
	Symbol string
	Addend int64
}

// A Field is a part of a check that holds an address.
type Field struct {
	Offset uint64 // in the check
	Type   elf.R_X86_64
	To     Address
}

// maxChecks bounds the checks of a file, and maxCheck the bytes of one.
const (
	maxChecks uint64 = 1 << 16
	maxCheck  uint64 = 16 << 20
)

// Checks reads the table of checks of a module of package module, by its name.
func (f *File) Checks(module string) ([]Check, error) { return f.table(module, "checks") }

// Jumps reads the names of the functions that a module of package module takes over by a jump,
// in the kernel itself or, by its name, in a module; nil when there are none.
func (f *File) Jumps(module, object string) ([]string, error) {
	rows := "jump_rows"
	if object != "" {
		rows = klink.Join("jumps", object)
	}
	s, err := f.find(module, rows)
	if err != nil {
		return nil, nil
	}
	l, err := kcode.ReadLayout()
	if err != nil {
		return nil, err
	}
	var out []string
	size := l.Size("jump")
	for i := range min(s.Size/size, maxChecks) {
		if name := f.label(Place{s.Section, s.Value + i*size + l.Offset("jump", "name")}); name != "" {
			out = append(out, name)
		}
	}
	return out, nil
}

// table reads a table of checks, up to the row of zeros that ends it.
func (f *File) table(module, name string) ([]Check, error) {
	s, err := f.find(module, name)
	if err != nil {
		return nil, err
	}
	l, err := kcode.ReadLayout()
	if err != nil {
		return nil, err
	}
	var out []Check
	wanted := 0
	fields := f.fields()
	size := l.Size("check")
	for i := range min(s.Size/size, maxChecks) {
		row := func(member string) Place {
			return Place{s.Section, s.Value + i*size + l.Offset("check", member)}
		}
		if _, ok := f.refs[row("at")]; !ok {
			return out, nil
		}
		c, ok := f.check(row, fields)
		if !ok {
			return nil, fmt.Errorf("row %d of its checks makes no sense", i)
		}
		if wanted += len(c.Want); wanted > f.size {
			return nil, errors.New("its checks share their bytes")
		}
		out = append(out, c)
	}
	return nil, errors.New("nothing ends its checks")
}

// check reads one row.
func (f *File) check(row func(member string) Place, fields map[elfobj.SectionIndex][]uint64) (c Check, ok bool) {
	c.Name = f.label(row("name"))
	n, _ := f.word(row("size"))
	want, _ := f.target(row("want"))
	mask, _ := f.target(row("mask"))
	at, ok := f.address(row("at"))
	if c.Want, c.Mask = f.part(want, n), f.part(mask, n); !ok || n == 0 || c.Want == nil || c.Mask == nil {
		return c, false
	}
	c.At = at
	list := fields[want.Section]
	i, _ := slices.BinarySearch(list, want.Offset)
	for ; i < len(list) && list[i] < want.Offset+n; i++ {
		at := Place{want.Section, list[i]}
		to, ok := f.address(at)
		if !ok {
			return c, false
		}
		c.Fields = append(c.Fields, Field{list[i] - want.Offset, f.refs[at].typ, to})
	}
	return c, true
}

// fields returns the offsets of all references of each section, sorted.
func (f *File) fields() map[elfobj.SectionIndex][]uint64 {
	out := map[elfobj.SectionIndex][]uint64{}
	for at := range f.refs {
		out[at.Section] = append(out[at.Section], at.Offset)
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}

// part returns bytes of a section, nil when they are not there.
func (f *File) part(at Place, n uint64) []byte {
	b := f.bytes(at.Section)
	if n > maxCheck || at.Offset > uint64(len(b)) || n > uint64(len(b))-at.Offset {
		return nil
	}
	return b[at.Offset:][:n]
}

// address returns what a field holds that refers to a symbol of the kernel.
func (f *File) address(at Place) (Address, bool) {
	r, ok := f.refs[at]
	if !ok || int(r.symbol) >= len(f.symbols) {
		return Address{}, false
	}
	s := &f.symbols[r.symbol]
	return Address{s.Name, r.addend}, !s.IsDefined() && s.Name != ""
}

// label returns the text that a field leads to, which may have blanks.
func (f *File) label(at Place) string {
	to, ok := f.target(at)
	if !ok {
		return ""
	}
	b := f.bytes(to.Section)
	b = b[min(to.Offset, uint64(len(b))):]
	s, _, _ := strings.Cut(string(b[:min(maxText, len(b))]), "\x00")
	return s
}
