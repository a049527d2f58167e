package ktree

import (
	"errors"
	"fmt"
	"regexp"
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
}

// Error has the first errors.
func (e *CompileError) Error() string { return fmt.Sprintf("compile %s: %s", e.Source, e.Text) }

// errorForm is how gcc and clang tell of errors.
var errorForm = regexp.MustCompile(`^(\S+?):(\d+)(?::\d+)?: (?:fatal )?(?:error|Error): (.*)$`)

// shownErrors is how many errors of a compiler are shown.
const shownErrors = 3

func newCompileError(source string, said []byte, err error) *CompileError {
	e := &CompileError{Source: source}
	var placed, other []string
	for line := range strings.Lines(string(said)) {
		line = strings.TrimSpace(line)
		if m := errorForm.FindStringSubmatch(line); m != nil {
			if e.File == "" {
				e.File = m[1]
				e.Line, _ = strconv.Atoi(m[2]) // of digits: only too large a one is none
			}
			placed = append(placed, fmt.Sprintf("%s:%s: %s", m[1], m[2], m[3]))
		} else if strings.Contains(line, "rror") || strings.Contains(line, "ndefined") || strings.Contains(line, "not found") {
			other = append(other, line)
		}
	}
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
