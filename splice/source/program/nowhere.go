package program

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// linked is what a program is linked with: what it and the libraries that it needs define for each other, by their
// dynamic symbols.
type linked struct {
	// whole says that nothing is missing: it is a program, which is linked with all that it refers to,
	// and all libraries that it needs, and these need, are here.
	whole bool
	names map[string]bool
}

// readLinked reads the symbols of a program and of its libraries.
func readLinked(path string) (*linked, error) {
	l := &linked{whole: true, names: map[string]bool{}}
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	isInterp := func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }
	l.whole = slices.ContainsFunc(f.Progs, isInterp) // a library may take from who loads it
	dirs := append(searched(f, path), libraryFolders...)
	seen := map[string]bool{}
	needs := l.read(f)
	for len(needs) > 0 {
		name := needs[0]
		needs = needs[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		more, err := l.library(name, dirs)
		if errors.Is(err, fs.ErrNotExist) {
			l.whole = false
			continue
		}
		if err != nil {
			return nil, err
		}
		needs = append(needs, more...)
	}
	return l, nil
}

// library reads the first library of a name that folders have.
func (l *linked) library(name string, dirs []string) ([]string, error) {
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		f, err := elf.Open(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		defer f.Close()
		if f.Machine != elf.EM_X86_64 {
			continue
		}
		return l.read(f), nil
	}
	return nil, fs.ErrNotExist
}

// read notes what a file defines, and what it refers to, which others are linked with already; it returns the
// libraries that it needs.
func (l *linked) read(f *elf.File) []string {
	syms, err := f.DynamicSymbols()
	if err != nil {
		l.whole = l.whole && errors.Is(err, elf.ErrNoSymbols)
	}
	for i := range syms {
		l.names[syms[i].Name] = true
	}
	needs, err := f.ImportedLibraries()
	l.whole = l.whole && err == nil
	return needs
}

// searched are the folders that a program names for its libraries.
func searched(f *elf.File, path string) []string {
	var out []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		list, err := f.DynString(tag)
		if err != nil {
			continue // it has none
		}
		for _, dirs := range list {
			for _, dir := range filepath.SplitList(dirs) {
				dir = strings.NewReplacer("$ORIGIN", filepath.Dir(path), "${ORIGIN}", filepath.Dir(path)).Replace(dir)
				if filepath.IsAbs(dir) { // another depends on where the program is started
					out = append(out, dir)
				}
			}
		}
	}
	return out
}

// nowhere reports whether nothing that the program is linked with defines a name, so that no process would have
// it. What can't be known is left to the process.
func (r *resolver) nowhere(name string) (bool, error) {
	if r.linked == nil {
		var err error
		if r.linked, err = readLinked(r.t.path); err != nil {
			return false, err
		}
	}
	return r.linked.whole && !r.linked.names[name] && len(r.t.image.Lookup(name)) == 0, nil
}
