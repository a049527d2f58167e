package program

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/source"
)

// A resolver finds what new code refers to, and its object has not referred to before: functions
// and variables of other objects of the program. A stripped file does not name them, and the
// dynamic linker would look for something else of that name.
type resolver struct {
	w     *work
	t     *target
	built *image.Image
	own   map[string]bool      // names that the update itself defines
	defs  map[string]int       // units of the program by what they define, -1 for more than one
	match map[int]*matchedUnit // that were matched

	linked *linked // what else may define a name, nil before somebody asked
}

// matchedUnit is an object of the build that was found in the installed file.
type matchedUnit struct {
	object *object.Object
	result *reloc.Result
}

// resolve sets the addresses of what the objects of an update refer to, and refuses what the program
// has and nobody can find.
func (w *work) resolve(ctx context.Context, t *target, built *image.Image, u *splice.Update, x *source.Program) error {
	r := &resolver{w: w, t: t, built: built, match: map[int]*matchedUnit{}}
	module := slices.IndexFunc(u.Modules, func(m splice.Module) bool { return m.BuildID == t.buildID })
	if module < 0 {
		return nil
	}
	for i := range u.Objects {
		o := &u.Objects[i]
		for k := range o.Imports {
			im := &o.Imports[k]
			if im.Name == "" || im.Known() {
				continue
			}
			addr, is, err := r.find(ctx, u, im.Name)
			if err != nil {
				return err
			}
			switch {
			case is && addr != 0:
				im.Address = &splice.Place{Module: module, Addr: addr - t.bias()}
			case is:
				x.Refusals = append(x.Refusals, splice.Refuse(splice.CodeNotLocated, im.Name, "", 0, "it is of another object of %s, whose place in the installed file is not known", x.Name))
			case !r.own[im.Name]:
				if err := r.elsewhere(o, im, x); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// elsewhere refuses a name that nothing defines which the program is linked with.
func (r *resolver) elsewhere(o *splice.Object, im *splice.Import, x *source.Program) error {
	gone, err := r.nowhere(im.Name)
	if err != nil || !gone {
		return err
	}
	f, err := elfobj.Parse(o.ELF)
	if err != nil {
		return err
	}
	syms, err := f.Symbols()
	if err != nil {
		return err
	}
	if int(im.Symbol) < len(syms) && syms[im.Symbol].Bind() == elf.STB_WEAK {
		return nil // it may be missing
	}
	no := splice.Refuse(splice.CodeUnresolved, im.Name, "", 0, "new code refers to it, and neither %s nor a library that it is linked with defines it", x.Name)
	no.Hint = "take the patch for this version, or those before it that define this; where the command builds a part only, have it build the object that does"
	x.Refusals = append(x.Refusals, no)
	return nil
}

// find returns the address of a global symbol that the program defines, as it is linked; 0 where that is
// not known. It is not one of the program where is is false.
func (r *resolver) find(ctx context.Context, u *splice.Update, name string) (addr uint64, is bool, err error) {
	if r.own == nil {
		if err := r.index(u); err != nil {
			return 0, false, err
		}
	}
	if r.own[name] {
		return 0, false, nil
	}
	unit, ok := r.defs[name]
	in := r.inBuilt(name)
	if !ok && in == nil {
		return 0, false, nil
	}
	if r.t.by == source.ByBuildID && in != nil {
		return in.Addr - bias(r.built) + r.t.bias(), true, nil // it is that very file
	}
	if r.t.output == nil && unit < 0 {
		return 0, false, nil // which of them it has is not known
	}
	if !ok || unit < 0 {
		return 0, true, nil
	}
	addr, err = r.matched(ctx, unit, name)
	return addr, addr != 0 || r.t.output != nil, err
}

// units are those that the program is made of; where nothing tells, all may be.
func (r *resolver) units() []int {
	if r.t.output != nil {
		return r.t.output.Units
	}
	all := make([]int, len(r.w.b.pre.Units))
	for i := range all {
		all[i] = i
	}
	return all
}

// inBuilt is the global function or variable of a name that the file of the build has, nil for none.
func (r *resolver) inBuilt(name string) *image.Symbol {
	if r.built == nil {
		return nil
	}
	for _, s := range r.built.Lookup(name) {
		if !s.Local && s.Addr != 0 && (s.Type == elf.STT_FUNC || s.Type == elf.STT_OBJECT || s.Type == elf.STT_NOTYPE) {
			return &s
		}
	}
	return nil
}

// index notes what the update defines, and what the objects of the program do.
func (r *resolver) index(u *splice.Update) error {
	r.own, r.defs = map[string]bool{}, map[string]int{}
	for i := range u.Objects {
		f, err := elfobj.Parse(u.Objects[i].ELF)
		if err != nil {
			return err
		}
		if err := globals(f, func(s *elfobj.Symbol) { r.own[s.Name] = true }); err != nil {
			return err
		}
	}
	pre := r.w.b.pre
	for _, n := range r.units() {
		f, err := elfobj.Open(pre.At(pre.Units[n].Object))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, elfobj.ErrNotELF) {
			continue // compiled and linked in one call, or gone
		}
		if err != nil {
			return err
		}
		err = globals(f, func(s *elfobj.Symbol) {
			if old, ok := r.defs[s.Name]; ok && old != n {
				r.defs[s.Name] = -1
				return
			}
			r.defs[s.Name] = n
		})
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", pre.Units[n].Object, err)
		}
	}
	return nil
}

// globals goes over the functions and variables that a file defines for others.
func globals(f *elfobj.File, do func(*elfobj.Symbol)) error {
	syms, err := f.Symbols()
	if err != nil {
		return err
	}
	for i := range syms {
		s := &syms[i]
		if s.IsDefined() && s.Bind() != elf.STB_LOCAL && s.Name != "" && s.Type() != elf.STT_TLS && s.Type() != elf.STT_GNU_IFUNC {
			do(s)
		}
	}
	return nil
}

// matched returns the address of what a unit defines, by where its object is in the installed
// file; 0 where that is not known.
func (r *resolver) matched(ctx context.Context, unit int, name string) (uint64, error) {
	m, ok := r.match[unit]
	if !ok {
		pre := r.w.b.pre
		o, err := elfdiff.Open(pre.At(pre.Units[unit].Object))
		if err != nil {
			return 0, err
		}
		result, err := reloc.Match(ctx, o, r.t.image, reloc.Options{})
		if err != nil {
			return 0, fmt.Errorf("match %s with %s: %w", pre.Units[unit].Object, r.t.path, err)
		}
		m = &matchedUnit{o, result}
		r.match[unit] = m
	}
	for i, s := range m.object.Symbols() {
		if s.Name != name || !s.IsDefined() || s.Bind() == elf.STB_LOCAL {
			continue
		}
		if v, ok := m.result.SymbolValue(elfobj.SymbolIndex(i)); ok && v.Has&reloc.UseAddress != 0 {
			return v.Address, nil
		}
		if addr, ok := m.result.AtomAddr(m.object.AtomOf(elfobj.SymbolIndex(i))); ok {
			return addr + s.Value - m.object.Atom(m.object.AtomOf(elfobj.SymbolIndex(i))).Offset, nil
		}
	}
	return 0, nil
}

// bias is by how much the addresses of an image are behind those of its file.
func bias(img *image.Image) uint64 {
	if mods := img.Modules(); len(mods) > 0 {
		return mods[0].Bias
	}
	return 0
}

func (t *target) bias() uint64 { return bias(t.image) }
