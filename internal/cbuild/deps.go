package cbuild

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// depFlags are those with which a compiler says what a source is made of.
func depFlags(file string) []string { return []string{"-M", "-MT", "x", "-MF", file} }

// dependencies asks the compiler what each unit is made of. Of one that it does not take any
// more, nothing is known.
func (b *Build) dependencies(ctx context.Context, jobs int) error {
	dir, err := os.MkdirTemp("", "gosplice-deps-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for i := range b.Units {
		g.Go(func() error {
			u := &b.Units[i]
			file := filepath.Join(dir, fmt.Sprint(i))
			c := &b.Commands[u.Command]
			args := append(forOne(c.Args, c, u.Source), depFlags(file)...)
			if _, err := b.run(ctx, c, args, b.Tree); ctx.Err() != nil {
				return err
			}
			text, err := os.ReadFile(file)
			if err != nil {
				u.Deps = b.withoutPreprocessor(u)
				return nil
			}
			u.Deps = parseDeps(text, c.Dir)
			return nil
		})
	}
	return g.Wait()
}

// withoutPreprocessor is what a source is made of that no preprocessor sees.
func (b *Build) withoutPreprocessor(u *Unit) []string {
	if e := filepath.Ext(u.Source); e != ".s" && e != ".i" && e != ".ii" {
		return nil
	}
	if _, err := os.Stat(b.At(u.Source)); err != nil {
		return nil
	}
	return []string{u.Source}
}

// parseDeps reads a rule of make, TARGET: FILE ... with \ at the ends of lines, and \ before
// spaces and #, and $$ for $. Paths are made absolute.
func parseDeps(text []byte, dir string) []string {
	_, rest, ok := bytes.Cut(text, []byte(":"))
	if !ok {
		return nil
	}
	out := []string{}
	var word []byte
	end := func() {
		if len(word) > 0 {
			p := string(word)
			if !filepath.IsAbs(p) {
				p = filepath.Join(dir, p)
			}
			out = append(out, filepath.Clean(p))
		}
		word = nil
	}
	for i := 0; i < len(rest); i++ {
		ch := rest[i]
		next := byte(0)
		if i+1 < len(rest) {
			next = rest[i+1]
		}
		switch {
		case ch == '\\' && (next == ' ' || next == '#'):
			word = append(word, next)
			i++
		case ch == '\\' && (next == '\n' || next == '\r'):
			end()
			i++
		case ch == '$' && next == '$':
			word = append(word, '$')
			i++
		case ch == '\n':
			end()
			i = len(rest) // one rule
		case ch == ' ' || ch == '\t' || ch == '\r':
			end()
		default:
			word = append(word, ch)
		}
	}
	end()
	slices.Sort(out)
	return slices.Compact(out)
}

// dropped are options about what is written beside an object; those with a value are in
// droppedNext.
var (
	dropped     = strings.Fields("-c -S -E -M -MM -MD -MMD -MP -MG -shared -save-temps")
	droppedNext = strings.Fields("-o -MF -MT -MQ -l -L -Xlinker -u -z -T")
)

// forOne returns the arguments of a call for one of its sources, without what is written, linked, or told
// about what it is made of.
func forOne(args []string, c *Command, source string) []string {
	r := reader{c: c}
	var out []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		if takesNext(a, false) && i+1 < len(args) {
			i++
			if !slices.Contains(droppedNext, a) {
				out = append(out, a, args[i])
			}
			continue
		}
		switch {
		case slices.Contains(dropped, a), strings.HasPrefix(a, "-Wl,"), strings.HasPrefix(a, "-Wp,-M"), strings.HasPrefix(a, "-l"), strings.HasPrefix(a, "-L"),
			strings.HasPrefix(a, "-MF"), strings.HasPrefix(a, "-MT"), strings.HasPrefix(a, "-MQ"):
		case strings.HasPrefix(a, "-o") && len(a) > 2:
		case !strings.HasPrefix(a, "-") && r.path(a) != source:
		default:
			out = append(out, a)
		}
	}
	return out
}
