package cbuild

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Command is one call of a tool of the build.
type Command struct {
	Tool string   // the path of the tool that was called
	Name string   // the name that it was called by: gcc, x86_64-linux-gnu-ar
	Dir  string   // the folder that it ran in
	Args []string // behind the name, with response files (@FILE) in the place of their names
	Env  []string // NAME=VALUE
	// Made is what an object is known by that was written, as [identity] has it; "" where that is not
	// known.
	Made string
}

// recordMagic begins a record, with the version of its form.
const recordMagic = "gosplice-call 1"

// ErrRecord is wrapped by the error for a record that no wrapper has written.
var ErrRecord = errors.New("not a record of a call")

// maxRecord bounds a record, in bytes: the arguments and the environment that Linux lets a
// program have are 6 MiB at most, beside response files.
const maxRecord = 32 << 20

// ParseRecord reads what a wrapper has written: fields that end with NUL. They are the magic,
// the tool, its name, the folder, the count of arguments and these, the count of response files and
// of each its name and its text, and the environment.
func ParseRecord(b []byte) (*Command, error) {
	if len(b) > maxRecord {
		return nil, fmt.Errorf("%w: %d bytes", ErrRecord, len(b))
	}
	f := fields{rest: b}
	if f.next() != recordMagic {
		return nil, fmt.Errorf("%w: it begins with something else", ErrRecord)
	}
	c := &Command{Tool: f.next(), Name: f.next(), Dir: f.next()}
	args := f.list(f.count())
	files := map[string]string{}
	for n := f.count(); n > 0 && !f.short; n-- {
		name := f.next()
		files[name] = f.next()
	}
	if f.short || c.Tool == "" || !strings.HasPrefix(c.Dir, "/") {
		return nil, fmt.Errorf("%w: it ends early", ErrRecord)
	}
	for len(f.rest) > 0 {
		c.Env = append(c.Env, f.next())
	}
	c.Args = expand(args, files, 0)
	return c, nil
}

// fields takes fields off the front of a record.
type fields struct {
	rest  []byte
	short bool // there were less than asked for
}

func (f *fields) next() string {
	head, rest, ok := bytes.Cut(f.rest, []byte{0})
	f.rest = rest
	f.short = f.short || !ok
	return string(head)
}

// count reads a number, of fields that follow.
func (f *fields) count() int {
	n, err := strconv.Atoi(f.next())
	if err != nil || n < 0 || n > len(f.rest) {
		f.short = true
		return 0
	}
	return n
}

func (f *fields) list(n int) []string {
	var out []string
	for ; n > 0 && !f.short; n-- {
		out = append(out, f.next())
	}
	return out
}

// maxDepth is how deep response files may name each other.
const maxDepth = 4

// expand puts the words of response files in the place of their names, as GCC and binutils do.
func expand(args []string, files map[string]string, depth int) []string {
	var out []string
	for _, a := range args {
		text, ok := files[strings.TrimPrefix(a, "@")]
		if !strings.HasPrefix(a, "@") || !ok || depth == maxDepth {
			out = append(out, a)
			continue
		}
		out = append(out, expand(splitWords(text), files, depth+1)...)
	}
	return out
}

// splitWords cuts the text of a response file into words: by white space, with quotes of both
// kinds, and a backslash before a character that stands for itself (buildargv of libiberty).
func splitWords(text string) []string {
	var out []string
	var word strings.Builder
	in, escaped := false, false
	quote := rune(0)
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped, in = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case strings.ContainsRune(" \t\n\r\f\v", r):
			if in {
				out = append(out, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if in {
		out = append(out, word.String())
	}
	return slices.Clip(out)
}
