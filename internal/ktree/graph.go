package ktree

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// A graph says which files of a tree may include which, by the text of their directives alone:
// it has more edges than any one configuration has.
type graph struct {
	// Includes has what each file names.
	Includes map[string][]include `json:"includes"`

	by map[string][]string // files by the end of what they name
}

// An include is what a directive names.
type include struct {
	Name   string `json:"n"`
	Quoted bool   `json:"q,omitempty"`
	Always bool   `json:"a,omitempty"` // whatever is configured
}

// unread are folders of which nothing is compiled into a kernel for x86.
var unread = []string{"Documentation/", "tools/", "samples/", "scripts/", "LICENSES/"}

func isRead(name string) bool {
	if rest, ok := strings.CutPrefix(name, "arch/"); ok && !strings.HasPrefix(rest, "x86/") && strings.Contains(rest, "/") {
		return false
	}
	for _, dir := range unread {
		if strings.HasPrefix(name, dir) {
			return false
		}
	}
	switch path.Ext(name) {
	case ".c", ".h", ".S", ".inc", ".def", ".tbl", ".dtsi", ".fuc3", ".fuc5", ".lds":
		return true
	}
	return false
}

// includesOf reads what in a source names another file: a directive, a macro that one may be
// given, a file of trace events, and data that an assembler includes.
func includesOf(text []byte) []include {
	var out []include
	var c conditions
	embeds := bytes.Contains(text, []byte(".incbin"))
	for rest := text; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimLeft(line, " \t")
		switch {
		case len(line) > 0 && line[0] == '#':
			line = bytes.TrimLeft(line[1:], " \t")
			n, always := len(out), c.always(line)
			out = directive(out, line)
			for ; n < len(out); n++ {
				out[n].Always = always && bytes.HasPrefix(line, []byte("include")) && !bytes.HasPrefix(line, []byte("include_next"))
			}
		case embeds:
			for _, m := range embeddedForm.FindAllSubmatch(line, -1) {
				out = append(out, include{Name: string(m[1])})
			}
		}
	}
	return out
}

// asksForm is how a directive asks whether there is a file.
var asksForm = regexp.MustCompile(`__has_include(?:_next)?[ \t]*\([ \t]*(?:"([^"]+)"|<([^>]+)>)`)

// directive adds the files that a directive names. It comes without the '#'.
func directive(out []include, line []byte) []include {
	switch {
	case bytes.HasPrefix(line, []byte("include")):
		line = bytes.TrimLeft(bytes.TrimPrefix(line[len("include"):], []byte("_next")), " \t")
		if name, quoted := named(line); name != "" {
			out = append(out, include{Name: name, Quoted: quoted})
		}
	case bytes.HasPrefix(line, []byte("define")):
		_, line = word(line)
		name, value := word(line)
		file, _ := named(value)
		if file == "" && string(name) == "TRACE_INCLUDE_FILE" {
			if value, _ = word(value); len(value) > 0 {
				file = string(value) + ".h"
			}
		}
		if file != "" {
			out = append(out, include{Name: file})
		}
	case bytes.Contains(line, []byte("__has_include")):
		for _, m := range asksForm.FindAllSubmatch(line, -1) {
			out = append(out, include{Name: string(m[1]) + string(m[2]), Quoted: m[1] != nil})
		}
	}
	return out
}

// word takes the first word off a line.
func word(line []byte) (first, rest []byte) {
	if i := bytes.IndexAny(line, " \t"); i >= 0 {
		return line[:i], bytes.TrimLeft(line[i:], " \t")
	}
	return line, nil
}

// named is the name of a file that a line begins with, in quotes or brackets.
func named(line []byte) (name string, quoted bool) {
	if len(line) < 2 || line[0] != '"' && line[0] != '<' {
		return "", false
	}
	end := byte('>')
	if line[0] == '"' {
		end = '"'
	}
	i := bytes.IndexByte(line[1:], end)
	if i < 0 {
		return "", false
	}
	return string(line[1 : 1+i]), end == '"'
}

// graphLayout changes with what is read of a source.
const graphLayout = "4"

// includes makes the graph of the tree, once.
func (t *Tree) includes(ctx context.Context) (*graph, error) {
	t.graphLock.Lock()
	defer t.graphLock.Unlock()
	if t.graph != nil {
		return t.graph, nil
	}
	dir, err := t.cache.Make(ctx, "ktree-includes/"+graphLayout+"-"+t.id, func(dir string) error {
		g, err := t.scan(ctx)
		if err != nil {
			return err
		}
		b, err := json.Marshal(g)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "includes.json"), b, 0o644)
	})
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "includes.json"))
	if err != nil {
		return nil, err
	}
	g := &graph{}
	if err := json.Unmarshal(b, g); err != nil {
		return nil, err
	}
	g.index()
	t.graph = g
	return g, nil
}

// scan reads all files of the tree.
func (t *Tree) scan(ctx context.Context) (*graph, error) {
	g := &graph{Includes: map[string][]include{}}
	var mu sync.Mutex
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(t.spec.Jobs * 2)
	err := filepath.WalkDir(t.dir, func(full string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
			return err
		}
		if gctx.Err() != nil {
			return context.Cause(gctx)
		}
		name := filepath.ToSlash(full[len(t.dir)+1:])
		if !isRead(name) {
			return nil
		}
		group.Go(func() error {
			text, err := os.ReadFile(full)
			if err != nil {
				return err
			}
			list := includesOf(text)
			mu.Lock()
			g.Includes[name] = list
			mu.Unlock()
			return nil
		})
		return nil
	})
	if e := group.Wait(); err == nil {
		err = e
	}
	return g, err
}

// index makes the graph go backwards.
func (g *graph) index() {
	g.by = map[string][]string{}
	for file, list := range g.Includes {
		for _, inc := range list {
			name := path.Clean(inc.Name)
			for strings.HasPrefix(name, "../") {
				name = name[3:]
			}
			if near := path.Join(path.Dir(file), inc.Name); inc.Quoted && g.has(near) {
				// The folder of the file comes first.
				g.by["="+near] = append(g.by["="+near], file)
				continue
			}
			g.by[name] = append(g.by[name], file)
		}
	}
}

func (g *graph) has(name string) bool {
	_, ok := g.Includes[name]
	return ok
}

// reach adds to a set all files that may include one.
func (g *graph) reach(name string, set map[string]bool) {
	if set[name] {
		return
	}
	set[name] = true
	for _, file := range g.by["="+name] {
		g.reach(file, set)
	}
	for end := name; end != ""; _, end, _ = strings.Cut(end, "/") {
		for _, file := range g.by[end] {
			g.reach(file, set)
		}
	}
}

// naming returns the files that may include a file, with what they call it.
func (g *graph) naming(name string) map[string]string {
	out := map[string]string{}
	for end := name; end != ""; _, end, _ = strings.Cut(end, "/") {
		for _, file := range g.by[end] {
			for _, inc := range g.Includes[file] {
				if c := path.Clean(inc.Name); c == end || strings.HasSuffix(c, "../"+end) {
					out[file] = inc.Name
				}
			}
		}
	}
	return out
}
