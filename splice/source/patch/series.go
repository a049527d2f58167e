package patch

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ReadSeries reads the patches of a series file as quilt and Debian have it: one path
// a line, relative to the folder of the file, with -pN for how many components are taken off
// its names, and -R for one that is to be reversed. Comments begin with # at the beginning of
// a line or after a space. [Patch].Name is the path in the series. Errors are those of [Read] and of package
// os; a [*ReadError] where a line is none of a series, or leads out of its folder.
func ReadSeries(path string) ([]*Patch, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var all []*Patch
	number := 0
	for l := range strings.Lines(string(text)) {
		number++
		e, what := parseSeriesLine(l)
		if what != "" {
			return nil, &ReadError{Code: CodeFormat, Patch: path, Line: number, What: what}
		}
		if e == nil {
			continue
		}
		patches, err := e.read(root)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		all = append(all, patches...)
	}
	return all, nil
}

// A seriesLine is a line of a series that names a patch.
type seriesLine struct {
	path    string
	strip   int // -1 where it does not say
	reverse bool
}

// parseSeriesLine reads a line, nil where it names no patch, or says what is wrong with it.
func parseSeriesLine(l string) (*seriesLine, string) {
	words := strings.Fields(l)
	for i, word := range words {
		if strings.HasPrefix(word, "#") {
			words = words[:i]
			break
		}
	}
	if len(words) == 0 {
		return nil, ""
	}
	e := &seriesLine{path: words[0], strip: -1}
	if !fs.ValidPath(e.path) {
		return nil, "the path leaves the folder of the series: " + e.path
	}
	for _, word := range words[1:] {
		n, err := strconv.Atoi(strings.TrimPrefix(word, "-p"))
		switch {
		case word == "-R":
			e.reverse = true
		case word == "-pab":
			e.strip = 1
		case strings.HasPrefix(word, "-p") && err == nil && n >= 0 && n < 100:
			e.strip = n
		default:
			return nil, "no option of a series: " + word
		}
	}
	return e, ""
}

// read reads the patches that the line names.
func (e *seriesLine) read(root *os.Root) ([]*Patch, error) {
	f, err := root.Open(e.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	patches, err := read(e.path, f, e.strip)
	if err != nil || !e.reverse {
		return patches, err
	}
	out := make([]*Patch, len(patches))
	for i, p := range patches {
		out[len(patches)-1-i] = p.Reverse()
	}
	return out, nil
}
