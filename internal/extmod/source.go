package extmod

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gosplice/gosplice/internal/ktree"
)

// A Spec says which modules.
type Spec struct {
	Dir  string   // the folder of their source; never written to
	Name string   // of one of them
	Make []string // variables that make was told when they were built; of M, what is below Dir
	// Built returns what the folder was called where they were built, by the paths of its files,
	// see the function Built; "" means that nobody knows. It may be nil.
	Built func(files []string) string
}

// A Source is the source of modules as it was when it was opened. Paths are below its folder, and
// those in overlays may lead out of it, to the kernel's (see [Source.OfKernel]). It is safe
// for concurrent use.
type Source struct {
	tree    *ktree.Tree
	modules ktree.Modules
	dir     string        // what is kept of it
	base    ktree.Overlay // its files over the kernel's tree
	units   []ktree.Unit  // by object, paths as in the kernel's tree

	inputsLock sync.Mutex
	inputs     map[string][]string // what each object is made of, paths as in the kernel's tree
}

// Open reads the folder, and asks the kernel's build what it makes of it. The error is a
// [ktree.FolderError] where that is no module.
func Open(ctx context.Context, t *ktree.Tree, s Spec) (*Source, error) {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return nil, err
	}
	files, err := read(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("source of the module: %w", err)
	}
	x := &Source{tree: t, modules: ktree.Modules{Dir: ktree.Elsewhere + s.Name, Built: dir}, base: ktree.Overlay{}}
	if s.Built != nil {
		x.modules.Built = cmp.Or(s.Built(slices.Sorted(maps.Keys(files))), dir)
	}
	if err := x.tell(s.Make, dir); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc([]string{"Kbuild", "Makefile"}, func(name string) bool { return files[path.Join(x.modules.Sub, name)] != nil }) {
		return nil, fmt.Errorf("source of the module: %s has no Makefile and no Kbuild: %w", filepath.Join(s.Dir, x.modules.Sub), fs.ErrNotExist)
	}
	for name, text := range files {
		x.base[x.inner(name)] = text
	}
	id := path.Join("ktree-modules", t.ID(), digest(files, &x.modules))
	if x.dir, err = t.Cache().Make(ctx, id+"-source", func(to string) error { return write(to, files) }); err != nil {
		return nil, err
	}
	if x.units, err = x.kept(ctx, id+"-units"); err != nil {
		return nil, fmt.Errorf("source of the module %s: %w", s.Dir, err)
	}
	return x, nil
}

// tell sets what make is told. Where that names the folder, as it is called or was, it is the
// one below the kernel's tree.
func (s *Source) tell(list []string, dir string) error {
	for _, v := range list {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return fmt.Errorf("%q is no VAR=VALUE for make", v)
		}
		for _, was := range []string{dir, s.modules.Built} {
			value = strings.ReplaceAll(value, was, s.modules.Dir)
		}
		if name != "M" {
			s.modules.Make = append(s.modules.Make, name+"="+value)
			continue
		}
		s.modules.Sub = strings.TrimPrefix(strings.TrimPrefix(path.Clean(value), s.modules.Dir), "/")
		if s.modules.Sub == "." {
			s.modules.Sub = ""
		}
		if s.modules.Sub != "" && !filepath.IsLocal(filepath.FromSlash(s.modules.Sub)) {
			return fmt.Errorf("%q is not below the source %s of the module", v, dir)
		}
	}
	return nil
}

// kept returns the objects of the modules, which make is asked for once.
func (s *Source) kept(ctx context.Context, id string) ([]ktree.Unit, error) {
	const name = "units.json"
	dir, err := s.tree.Cache().Make(ctx, id, func(to string) error {
		list, err := s.tree.ModuleUnits(ctx, &s.modules, s.base)
		if err != nil {
			return err
		}
		text, err := json.Marshal(list)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, 0o644)
	})
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	var list []ktree.Unit
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	slices.SortFunc(list, func(a, b ktree.Unit) int { return strings.Compare(a.Object, b.Object) })
	return list, nil
}

// Dir returns the folder where the source is kept. Nothing in it may be written to.
func (s *Source) Dir() string { return s.dir }

// Built returns what the folder was called where the modules were built.
func (s *Source) Built() string { return s.modules.Built }

// Modules lists the modules that the folder makes, by the names that the kernel has for them.
func (s *Source) Modules() []string {
	var out []string
	for i := range s.units {
		for _, m := range append(slices.Clone(s.units[i].Modules), s.units[i].Module) {
			out = append(out, strings.ReplaceAll(path.Base(m), "-", "_"))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Stat says what a file of the folder, or of the kernel's source, is.
func (s *Source) Stat(name string) (fs.FileInfo, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return s.tree.Stat(s.inner(name))
	}
	return os.Lstat(filepath.Join(s.dir, filepath.FromSlash(name)))
}

// OfKernel is the name by which overlays here have a file of the kernel's source.
func (s *Source) OfKernel(name string) string {
	return strings.Repeat("../", strings.Count(s.modules.Dir, "/")+1) + name
}

// inner is the name that a file has in the kernel's tree, and outer the one here.
func (s *Source) inner(name string) string { return path.Join(s.modules.Dir, name) }

func (s *Source) outer(name string) string {
	if rest, ok := strings.CutPrefix(name, s.modules.Dir+"/"); ok {
		return rest
	}
	return s.OfKernel(name)
}

// over is an overlay over the kernel's tree: the folder, and what differs from it.
func (s *Source) over(o ktree.Overlay) ktree.Overlay {
	out := make(ktree.Overlay, len(s.base)+len(o))
	for name, text := range s.base {
		out[name] = text
	}
	for name, text := range o {
		in := s.inner(name)
		if _, own := s.base[in]; own && text == nil {
			delete(out, in) // nothing of it was ever in the tree
			continue
		}
		out[in] = text
	}
	return out
}

// innerUnit and outerUnit are a unit with its paths as in the kernel's tree, and as here.
func (s *Source) innerUnit(u ktree.Unit) ktree.Unit {
	u.Source, u.Object, u.Module = s.inner(u.Source), s.inner(u.Object), s.inner(u.Module)
	u.Modules = s.each(u.Modules, s.inner)
	return u
}

func (s *Source) outerUnit(u ktree.Unit) ktree.Unit {
	u.Source, u.Object, u.Module = s.outer(u.Source), s.outer(u.Object), s.outer(u.Module)
	u.Modules = s.each(u.Modules, s.outer)
	return u
}

func (s *Source) each(list []string, f func(string) string) []string {
	if list == nil {
		return nil
	}
	out := make([]string, len(list))
	for i, name := range list {
		out[i] = f(name)
	}
	return out
}

// Compile makes objects of the modules, see [ktree.Tree.Compile].
func (s *Source) Compile(ctx context.Context, units []ktree.Unit, o ktree.Overlay) ([]ktree.Object, error) {
	list := make([]ktree.Unit, len(units))
	for i := range units {
		list[i] = s.innerUnit(units[i])
	}
	out, err := s.tree.Compile(ctx, list, s.over(o))
	for i := range out {
		out[i].Unit = units[i]
	}
	return out, err
}

// Unaffected says of no object that an overlay makes no difference: modules have few objects, and
// all are compiled.
func (s *Source) Unaffected(_ context.Context, units []ktree.Unit, _ ktree.Overlay) ([]string, error) {
	return make([]string, len(units)), nil
}
