package module

import (
	"cmp"
	"context"
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/dwarf"
	"github.com/gosplice/gosplice/reloc/image"
)

// A caller is a place in an image that refers to a function.
type caller struct {
	change  *affectedChange
	target  *Target
	place   uint64
	defines bool // it is the function itself
}

// signatures finds who refers to the functions whose signatures changed.
func (f *affectedFinder) signatures(ctx context.Context) error {
	var all []caller
	for _, c := range f.list {
		if c.Kind != elfdiff.SignatureChanged {
			continue
		}
		e, exported := f.k.exports[c.Name]
		for _, t := range append([]*Target{nil}, c.targets...) {
			for _, s := range functionsNamed(f.run(t), c.Name) {
				c.Exported = c.Exported || exported && t == nil && e.Addr == s.Addr
				all = append(all, caller{c, t, s.Addr, true})
			}
			if t == nil && slices.Contains(c.targets, nil) {
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
	all = slices.DeleteFunc(all, func(c caller) bool { return f.given[c.target] != nil && f.given[c.target].meets(c.place, 1) })
	return f.name(ctx, all)
}

func (f *affectedFinder) run(t *Target) *image.Image {
	if t != nil {
		return t.run
	}
	return f.k.run
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
func (f *affectedFinder) callers(ctx context.Context, t *Target, functions []caller) ([]caller, error) {
	s := newScanner(t, functions)
	if len(s.by) == 0 {
		return nil, nil
	}
	img := f.run(t)
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
	return slices.DeleteFunc(s.found, func(c caller) bool { return t == nil && f.k.image.IsInit(c.place) }), nil
}

// name says where the places are, with the sources where debug information has them.
func (f *affectedFinder) name(ctx context.Context, all []caller) error {
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
			c.change.DefinedIn = cmp.Or(files[i], targetText(c.target), "a file that is not known")
		default:
			c.change.Places = append(c.change.Places, f.placeText(c, files[i]))
		}
	}
	return nil
}

func targetText(t *Target) string {
	if t == nil {
		return ""
	}
	return t.Name()
}

func (f *affectedFinder) placeText(c caller, file string) string {
	text := fmt.Sprintf("%#x", c.place)
	if s, off, ok := f.run(c.target).SymbolAt(c.place); ok {
		text, file = s.Name, cmp.Or(file, s.File)
		if off > 0 && s.Type != elf.STT_FUNC {
			text = fmt.Sprintf("%s+%#x", s.Name, off)
		}
	}
	if where := strings.Join(slices.DeleteFunc([]string{file, targetText(c.target)}, func(s string) bool { return s == "" }), ", "); where != "" {
		text += " (" + where + ")"
	}
	return text
}

// files finds the sources of places in the kernel itself.
func (f *affectedFinder) files(ctx context.Context, all []caller) ([]string, error) {
	files := make([]string, len(all))
	d := dwarf.NewLinked(f.k.image.File)
	if !d.HasEntries() {
		return files, nil
	}
	order := make([]int, 0, len(all))
	for i, c := range all {
		if c.target == nil {
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
