package cbuild

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Unit is one source that is compiled by one call.
type Unit struct {
	Object  string // the path of what is written; for what is compiled and linked in one call, one that nothing has
	Source  string
	Command int      // index in Build.Commands
	Deps    []string // the files that it is made of, with the source; nil when that is not known
	Direct  bool     // compiled and linked in one call: there is no file of the object
	LTO     bool
	Debug   bool
	// Generates says that its output is no object but text, which may be compiled later.
	Generates bool
}

// An Output is a program or a library that was linked.
type Output struct {
	Path    string
	Soname  string
	Shared  bool
	LTO     bool
	Units   []int // that are linked, or stand in archives that are, ascending
	Unknown []string
}

// graph follows files from call to call.
type graph struct {
	root    string // that paths are below
	units   []Unit
	outputs []Output
	moved   map[string]int      // units by what their objects are known by, see identity
	objects map[string][]int    // units by the path of what has them: objects and archives
	sizes   map[int64][]string  // paths of objects by the size of the file, in the order of calls
	place   func(string) string // where a file of the build is to be looked for
}

// analyse makes units and outputs of calls, in their order.
func analyse(root string, commands []Command, place func(string) string) ([]Unit, []Output) {
	g := &graph{root: root, objects: map[string][]int{}, moved: map[string]int{}, sizes: map[int64][]string{}, place: place}
	for i := range commands {
		a := commands[i].Action()
		switch a.Kind {
		case KindCompile, KindGenerate:
			g.compile(i, &a, commands[i].Dir)
			if commands[i].Made != "" && len(a.Sources) == 1 {
				g.moved[commands[i].Made] = len(g.units) - 1
			}
		case KindArchive:
			g.add(a.Output, g.resolve(a.Inputs, nil), true)
		case KindExtract:
			g.extract(&a)
		case KindLink:
			g.link(i, &a)
		}
	}
	return g.units, g.outputs
}

// compile adds the units of a call that links nothing.
func (g *graph) compile(i int, a *Action, dir string) {
	for _, s := range a.Sources {
		u := Unit{Object: a.Output, Source: s, Command: i, LTO: a.LTO, Debug: a.Debug, Generates: a.Kind == KindGenerate}
		if u.Object == "" {
			u.Object = filepath.Join(dir, strings.TrimSuffix(filepath.Base(s), filepath.Ext(s))+".o")
		}
		g.add(u.Object, []int{g.unit(u)}, false)
	}
}

func (g *graph) unit(u Unit) int {
	g.units = append(g.units, u)
	return len(g.units) - 1
}

// add says which units a file has: these, or these beside what it had.
func (g *graph) add(path string, units []int, more bool) {
	if more {
		units = append(slices.Clone(g.objects[path]), units...)
		slices.Sort(units)
		units = slices.Compact(units)
	}
	if _, known := g.objects[path]; !known {
		if st, err := os.Stat(g.place(path)); err == nil && st.Mode().IsRegular() {
			g.sizes[st.Size()] = append(g.sizes[st.Size()], path)
		}
	}
	g.objects[path] = units
}

// extract has the members of an archive stand where they are unpacked: by their names.
func (g *graph) extract(a *Action) {
	for _, n := range g.objects[a.Inputs[0]] {
		g.add(filepath.Join(a.Output, filepath.Base(g.units[n].Object)), []int{n}, true)
	}
}

// link adds a program or a library, with the units of sources that are compiled on the way.
func (g *graph) link(i int, a *Action) {
	var units []int
	for _, s := range a.Sources {
		object := a.Output + "(" + filepath.Base(s) + ")"
		units = append(units, g.unit(Unit{Object: object, Source: s, Command: i, Direct: true, LTO: a.LTO, Debug: a.Debug}))
	}
	o := Output{Path: a.Output, Soname: a.Soname, Shared: a.Shared, LTO: a.LTO}
	units = append(units, g.resolve(append(slices.Clone(a.Inputs), g.libraries(a)...), &o.Unknown)...)
	slices.Sort(units)
	o.Units = slices.Compact(units)
	if a.Partial {
		g.add(a.Output, o.Units, a.Linker)
		return
	}
	// A later link of the same path takes the place of the earlier, but for the linker that a
	// driver calls in turn: that knows what is compiled on the way by other names.
	at := slices.IndexFunc(g.outputs, func(e Output) bool { return e.Path == o.Path })
	switch {
	case at < 0:
		g.outputs = append(g.outputs, o)
	case !a.Linker:
		g.outputs[at] = o
	}
}

// objectEnds are the ends of names of what may have units.
var objectEnds = []string{".o", ".lo", ".a", ".os", ".po"}

// resolve lists the units of files. What nobody has made is looked for by its content among what
// was made: builds copy and rename. What is not found then, and could have units, is unknown.
func (g *graph) resolve(inputs []string, unknown *[]string) []int {
	var units []int
	for _, p := range inputs {
		list, ok := g.objects[p]
		if !ok {
			list, ok = g.copyOf(p)
		}
		units = append(units, list...)
		if !ok && unknown != nil && below(g.root, p) && slices.Contains(objectEnds, filepath.Ext(p)) {
			*unknown = append(*unknown, p)
		}
	}
	return units
}

// copyOf finds a file by its inode, or its content, among those that calls have made: the first that
// is the same.
func (g *graph) copyOf(path string) ([]int, bool) {
	if !below(g.root, path) {
		return nil, false
	}
	st, err := os.Stat(g.place(path))
	if err != nil || !st.Mode().IsRegular() {
		return nil, false
	}
	if n, ok := g.moved[identity(st)]; ok {
		return []int{n}, true
	}
	same := g.sizes[st.Size()]
	if len(same) == 0 {
		return nil, false
	}
	text, err := os.ReadFile(g.place(path))
	if err != nil {
		return nil, false
	}
	for _, other := range same {
		if b, err := os.ReadFile(g.place(other)); err == nil && bytes.Equal(b, text) {
			return g.objects[other], true
		}
	}
	return nil, false
}

// libraries are the archives that -l names.
func (g *graph) libraries(a *Action) []string {
	var out []string
	for _, l := range a.Libs {
		name := "lib" + l + ".a"
		if rest, ok := strings.CutPrefix(l, ":"); ok {
			name = rest
		}
		for _, dir := range a.Search {
			p := filepath.Join(dir, name)
			if _, ok := g.objects[p]; ok {
				out = append(out, p)
				break
			}
			if _, err := os.Stat(g.place(p)); err == nil && below(g.root, p) {
				out = append(out, p)
				break
			}
		}
	}
	return out
}

// below reports whether a path is one below a folder.
func below(dir, path string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
