package extmod

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"
)

// longestPath is PATH_MAX of Linux.
const longestPath = 4096

// Built finds what a folder was called where a module was built of it, by the paths of its sources
// that the module has: by __FILE__, and in debug information. It is "" where the module has none.
func Built(module []byte, sources []string) string {
	votes := map[string]int{}
	for _, name := range sources {
		if ext := path.Ext(name); ext != ".c" && ext != ".h" && ext != ".S" {
			continue
		}
		for _, dir := range foldersOf(module, name) {
			votes[dir]++
		}
	}
	best := ""
	for _, dir := range slices.Sorted(maps.Keys(votes)) {
		if best == "" || votes[dir] > votes[best] || votes[dir] == votes[best] && len(dir) < len(best) {
			best = dir
		}
	}
	return best
}

// foldersOf lists what stands before the name of a file in texts that are paths of it.
func foldersOf(module []byte, name string) []string {
	var out []string
	want := []byte("/" + name + "\x00")
	for from := 0; ; {
		i := bytes.Index(module[from:], want)
		if i < 0 {
			return out
		}
		end := from + i
		from = end + 1
		window := module[max(0, end-longestPath):end]
		dir := string(window[bytes.LastIndexByte(window, 0)+1:])
		if isFolder(dir) && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
}

// isFolder reports whether a text may be the path of a folder: no message is one.
func isFolder(dir string) bool {
	return dir != "" && dir != "." && path.Clean(dir) == dir && !strings.HasPrefix(dir, "../") && !strings.ContainsFunc(dir, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("%\"'\\:;,<>|()", r)
	})
}
