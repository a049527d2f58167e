package ktree

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// closure lists the files that make has made another one of in a copy of the tree, as it wrote
// down beside each of them: what a compiler has read, and for what a program wrote, the
// program with all that it was made of, and what its command names.
func (w *workspace) closure(target string) ([]string, error) {
	seen := map[string]bool{}
	todo := []string{target}
	var list []string
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		if todo = todo[:len(todo)-1]; seen[name] {
			continue
		}
		seen[name] = true
		if name != target {
			list = append(list, name)
		}
		text, err := os.ReadFile(filepath.Join(w.dir, path.Dir(name), "."+path.Base(name)+".cmd"))
		if err != nil && ignoreMissing(err) != nil {
			return nil, err
		}
		todo = append(todo, w.existing(inputsOf(string(text)))...)
	}
	slices.Sort(list)
	return list, nil
}

// existing are those of some words that are names of files.
func (w *workspace) existing(words []string) []string {
	return slices.DeleteFunc(words, func(name string) bool {
		if !filepath.IsLocal(name) {
			return true
		}
		st, err := os.Stat(filepath.Join(w.dir, filepath.FromSlash(name)))
		return err != nil || !st.Mode().IsRegular()
	})
}

// inputsOf reads what kbuild writes beside a file that it made:
//
//	savedcmd_lib/a.o := gcc ... -o lib/a.o lib/a.c        (cmd_ in older ones)
//
//	source_lib/a.o := lib/a.c
//
//	deps_lib/a.o := \
//	    $(wildcard include/config/X) \
//	  include/a.h \
//
// Without a list of dependencies, the words of the command are what it may have read.
func inputsOf(text string) []string {
	var deps, words []string
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, value, assigned := strings.Cut(line, " := ")
		switch {
		case assigned && strings.HasPrefix(name, "source_"):
			deps = append(deps, clean(value))
		case assigned && (strings.HasPrefix(name, "cmd_") || strings.HasPrefix(name, "savedcmd_")):
			for w := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune(" \t;'\"()<>|&", r) }) {
				words = append(words, clean(w))
			}
		case strings.HasPrefix(line, "deps_"):
			in = true
		case in:
			file, more := strings.CutSuffix(line, "\\")
			if file = strings.TrimSpace(file); file != "" && !strings.HasPrefix(file, "$(") {
				deps = append(deps, clean(file))
			}
			in = more
		}
	}
	if len(deps) > 0 {
		return deps
	}
	return words
}

func clean(name string) string { return path.Clean(filepath.ToSlash(name)) }
