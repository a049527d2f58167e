// Package affected finds what goes on with the old meaning of a type or a signature that
// changed: files that know the type, by debug information or BTF, and code that refers
// to the function, by the bytes of the kernel and of its modules.
package affected

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/internal/dwarf"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
)

// Code is the kernel itself, or a module of it.
type Code struct {
	Run    *image.Image
	Module *kernel.Module // nil for the kernel itself
}

// name returns the name of the module, "" for the kernel itself.
func (c *Code) name() string {
	if c.Module == nil {
		return ""
	}
	return c.Module.Name
}

// A Pair is an object that is given: compared, and matched with what it is part of.
type Pair struct {
	Diff  *elfdiff.Diff
	Match *reloc.Result
	Of    *Code // the same pointer for all objects of one module
}

// A Kernel is where to look.
type Kernel struct {
	Code
	Image   *kernel.Image
	Exports map[string]kernel.Export
}

// A Use is what a changed type or signature matters to: see Affected of package module.
type Use struct {
	Name      string
	Kind      types.Kind
	Files     []string
	Functions []string
	Places    []string
	DefinedIn string
	Exported  bool
	Unknown   string
}

// nothing reports whether nothing is affected, as far as that can be told.
func (u *Use) nothing() bool {
	return len(u.Files)+len(u.Functions)+len(u.Places) == 0 && u.DefinedIn == "" && !u.Exported && u.Unknown == ""
}

// Find looks for what the changes of the pairs matter to beside them.
func Find(ctx context.Context, k *Kernel, pairs []Pair) ([]Use, error) {
	f := &finder{k: k, given: map[*Code]*spans{}}
	if f.changes(pairs); len(f.list) == 0 {
		return nil, nil
	}
	f.give(pairs)
	if err := f.types(ctx); err != nil {
		return nil, fmt.Errorf("find what changed types are used by: %w", err)
	}
	if err := f.signatures(ctx); err != nil {
		return nil, fmt.Errorf("find the callers of changed functions: %w", err)
	}
	return slices.DeleteFunc(f.uses(), func(u Use) bool { return u.nothing() }), nil
}

// finder looks for users of what changed.
type finder struct {
	k     *Kernel
	list  []*change
	given map[*Code]*spans // code of the objects that are given
}

// A change matters to others, and this is to whom.
type change struct {
	Use
	size uint64  // of the type in pre, bytes
	in   []*Code // that the objects are part of
}

// changes lists what changed in a way that matters, each once.
func (f *finder) changes(pairs []Pair) {
	known := map[string]*change{}
	for i := range pairs {
		list, _ := pairs[i].Diff.Types() // without debug information there is none
		for j := range list {
			t := &list[j]
			if !t.Matters() || t.Private || t.OnStack {
				continue
			}
			key := string(t.Kind) + " " + t.Name
			c := known[key]
			if c == nil {
				c = &change{size: t.Pre.Size}
				c.Name, c.Kind = t.Name, t.Kind
				known[key], f.list = c, append(f.list, c)
			}
			if !slices.Contains(c.in, pairs[i].Of) {
				c.in = append(c.in, pairs[i].Of)
			}
		}
	}
}

// give notes the code of all objects that are given. Assembly is never among it: no compiler
// has held its calls against the signatures.
func (f *finder) give(pairs []Pair) {
	f.given[&f.k.Code] = &spans{}
	for i := range pairs {
		p := &pairs[i]
		if f.given[p.Of] == nil {
			f.given[p.Of] = &spans{}
		}
		if assembled(p.Diff.Pre) {
			continue
		}
		for j := range p.Match.Functions {
			if r := &p.Match.Functions[j]; r.Verdict == reloc.Matched {
				f.given[p.Of].add(r.Address, r.Size)
			}
		}
	}
	for _, s := range f.given {
		s.sort()
	}
}

// assembled reports whether an object was made of assembly, by its debug information. One that
// has none may have been.
func assembled(o *object.Object) bool {
	units, err := dwarf.New(o.File).Units()
	return err != nil || !slices.ContainsFunc(units, func(u *dwarf.Unit) bool {
		root := u.Root()
		return !strings.HasSuffix(root.Name(), ".S")
	})
}

func (f *finder) uses() []Use {
	var out []Use
	for _, c := range f.list {
		for _, list := range []*[]string{&c.Files, &c.Functions, &c.Places} {
			slices.Sort(*list)
			if *list = slices.Compact(*list); *list == nil {
				*list = []string{}
			}
		}
		out = append(out, c.Use)
	}
	return out
}
