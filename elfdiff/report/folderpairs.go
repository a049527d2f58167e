package report

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// pairsOf finds the objects below two folders. Those that only one has are
// listed apart.
func pairsOf(pre, post string) (pairs []Pair, alone []string, err error) {
	a, err := objectsBelow(pre)
	if err != nil {
		return nil, nil, err
	}
	b, err := objectsBelow(post)
	if err != nil {
		return nil, nil, err
	}
	alone = []string{}
	for _, name := range a {
		if _, ok := slices.BinarySearch(b, name); !ok {
			alone = append(alone, filepath.Join(pre, name))
			continue
		}
		pairs = append(pairs, Pair{Path: name, pre: filepath.Join(pre, name), post: filepath.Join(post, name)})
	}
	for _, name := range b {
		if _, ok := slices.BinarySearch(a, name); !ok {
			alone = append(alone, filepath.Join(post, name))
		}
	}
	return pairs, alone, nil
}

// objectsBelow lists the paths of the objects below a folder, sorted.
func objectsBelow(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(name, ".o") {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		out = append(out, rel)
		return err
	})
	slices.Sort(out)
	return out, err
}
