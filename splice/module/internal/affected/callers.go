package affected

import (
	"cmp"
	"context"
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/internal/dwarf"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
)

// A caller is a place in an image that refers to a function.
type caller struct {
	change  *change
	in      *Code
	place   uint64
	defines bool // it is the function itself
}

// signatures finds who refers to the functions whose signatures changed.
func (f *finder) signatures(ctx context.Context) error {
	var all []caller
	for _, c := range f.list {
		if c.Kind != types.SignatureChanged {
			continue
		}
		e, exported := f.k.Exports[c.Name]
		for _, t := range append([]*Code{&f.k.Code}, c.in...) {
			for _, s := range functionsNamed(t.Run, c.Name) {
				c.Exported = c.Exported || exported && t == &f.k.Code && e.Addr == s.Addr || t.exports(c.Name)
				all = append(all, caller{c, t, s.Addr, true})
			}
			if t == &f.k.Code && slices.Contains(c.in, t) {
				break
			}
		}
	}
	for t := range f.given {
		found, err := f.callers(ctx, t, all)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	all = slices.DeleteFunc(all, func(c caller) bool { return f.given[c.in] != nil && f.given[c.in].meets(c.place, 1) })
	return f.name(ctx, all)
}

// exports reports whether a module exports a name, which an entry of its table says. The
// kernel's own exports are known otherwise.
func (c *Code) exports(name string) bool {
	return c.Module != nil && len(c.Run.Lookup(kerneltab.KSymTab+"_"+name)) > 0
}

// functionsNamed returns the functions of a name, the global one if there is one.
func functionsNamed(img *image.Image, name string) []image.Symbol {
	var list []image.Symbol
	for _, s := range img.Lookup(name) {
		if s.Type == elf.STT_FUNC {
			list = append(list, s)
		}
	}
	if i := slices.IndexFunc(list, func(s image.Symbol) bool { return !s.Local }); i >= 0 {
		return list[i : i+1]
	}
	return list
}

// callers finds what refers to the functions in one image: by the distance in a call,
// a jump or lea, as a number in code, and as a word in data.
func (f *finder) callers(ctx context.Context, t *Code, functions []caller) ([]caller, error) {
	s := newScanner(t, functions)
	if len(s.by) == 0 {
		return nil, nil
	}
	img := t.Run
	buf := make([]byte, scanLead+scanChunk+scanMargin)
	for _, r := range img.Regions() {
		if r.Freed || r.Unknown {
			continue
		}
		for at := r.Start; at < r.End; at += scanChunk {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			lead := min(at-r.Start, scanLead)
			b := buf[:min(r.End-at, scanChunk+scanMargin)+lead]
			if err := img.ReadAddr(b, at-lead); err != nil {
				break // what has no bytes in the file refers to nothing
			}
			if r.Exec {
				s.code(b, int(lead), at)
			} else {
				s.data(b[lead:], at)
			}
		}
	}
	return slices.DeleteFunc(s.found, func(c caller) bool { return t.Module == nil && f.k.Image.IsInit(c.place) || t.describes(c.place) }), nil
}

// describes reports whether a place is in a table of a module that only says something about code, as
// where the function tracer is called. Those of the kernel itself are freed.
func (c *Code) describes(place uint64) bool {
	if c.Module == nil {
		return false
	}
	part, off, ok := c.Module.Locate(place)
	if !ok {
		return false
	}
	s, ok := c.Module.SectionAt(part, off)
	return ok && kerneltab.Of(s.Name).Has(kerneltab.Describing)
}

// name says where the places are, with the sources where debug information has them.
func (f *finder) name(ctx context.Context, all []caller) error {
	if len(all) == 0 {
		return nil
	}
	files, err := f.files(ctx, all)
	if err != nil {
		return err
	}
	for i, c := range all {
		switch {
		case c.defines:
			c.change.DefinedIn = cmp.Or(files[i], c.in.name(), "a file that is not known")
		default:
			c.change.Places = append(c.change.Places, f.placeText(c, files[i]))
		}
	}
	return nil
}

func (f *finder) placeText(c caller, file string) string {
	text := fmt.Sprintf("%#x", c.place)
	if s, off, ok := c.in.Run.SymbolAt(c.place); ok {
		text, file = s.Name, cmp.Or(file, s.File)
		if off > 0 && s.Type != elf.STT_FUNC {
			text = fmt.Sprintf("%s+%#x", s.Name, off)
		}
	}
	if where := strings.Join(slices.DeleteFunc([]string{file, c.in.name()}, func(s string) bool { return s == "" }), ", "); where != "" {
		text += " (" + where + ")"
	}
	return text
}

// files finds the sources of places in the kernel itself.
func (f *finder) files(ctx context.Context, all []caller) ([]string, error) {
	files := make([]string, len(all))
	d := dwarf.NewLinked(f.k.Image.File)
	if !d.HasEntries() {
		return files, nil
	}
	order := make([]int, 0, len(all))
	for i, c := range all {
		if c.in.Module == nil {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(all[i].place, all[j].place) })
	return files, d.EachUnit(ctx, nil, func(u *dwarf.Unit) bool {
		root := u.Root()
		for _, r := range root.AppendRanges(nil) {
			i, _ := slices.BinarySearchFunc(order, r.Offset, func(i int, a uint64) int { return cmp.Compare(all[i].place, a) })
			for ; i < len(order) && all[order[i]].place-r.Offset < r.Size; i++ {
				files[order[i]] = root.Name()
			}
		}
		return true
	})
}
