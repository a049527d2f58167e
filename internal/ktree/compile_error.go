package ktree

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// A CompileError is what a compiler, or objtool, has against a source.
type CompileError struct {
	Source string
	File   string // the file of its first error, "" when it names none
	Line   int    // counted from 1, 0 when it names none
	Text   string // the first errors, each with its place
	// Names are the words that its errors quote, sorted: what is not declared, or is declared
	// in another way, and files that are not there.
	Names []string
}

// Error has the first errors.
func (e *CompileError) Error() string { return fmt.Sprintf("compile %s: %s", e.Source, e.Text) }

// errorForm is how gcc and clang tell of errors.
var errorForm = regexp.MustCompile(`^(\S+?):(\d+)(?::\d+)?: (?:fatal )?(?:error|Error): (.*)$`)

// quoted finds what compilers quote, and the files that they lack; cName what in it may be a name.
var (
	quoted = regexp.MustCompile("'(\\S+)' file not found|^(\\S+): No such file or directory|['‘`]([^'’]+)['’]")
	cName  = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
)

// namesIn adds the words that an error quotes.
func namesIn(text string, to map[string]bool) {
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		if file := m[1] + m[2]; file != "" {
			to[file] = true
			continue
		}
		for _, w := range cName.FindAllString(m[3], -1) {
			to[w] = true
		}
	}
}

// shownErrors is how many errors of a compiler are shown.
const shownErrors = 3

func newCompileError(source string, said []byte, err error) *CompileError {
	e := &CompileError{Source: source}
	var placed, other []string
	names := map[string]bool{}
	for line := range strings.Lines(string(said)) {
		line = strings.TrimSpace(line)
		if m := errorForm.FindStringSubmatch(line); m != nil {
			if e.File == "" {
				e.File = m[1]
				e.Line, _ = strconv.Atoi(m[2]) // of digits: only too large a one is none
			}
			namesIn(m[3], names)
			placed = append(placed, fmt.Sprintf("%s:%s: %s", m[1], m[2], m[3]))
		} else if strings.Contains(line, "rror") || strings.Contains(line, "ndefined") || strings.Contains(line, "not found") {
			other = append(other, line)
		}
	}
	e.Names = slices.Sorted(maps.Keys(names))
	list := placed
	if len(list) == 0 {
		list = other
	}
	if len(list) == 0 {
		const longest = 500
		list = []string{strings.TrimSpace(string(said[max(0, len(said)-longest):]) + " " + err.Error())}
	}
	if n := len(list); n > shownErrors {
		list = append(list[:shownErrors:shownErrors], fmt.Sprintf("and %d more", n-shownErrors))
	}
	e.Text = strings.Join(list, "; ")
	return e
}

// explain says of an error of the system that the disk is full.
func (t *Tree) explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return t.noSpace("write into the cache")
	}
	return err
}

// firstWords are the first errors of what a command said.
func firstWords(said []byte, err error) string { return newCompileError("", said, err).Text }
