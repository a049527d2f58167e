package ktree

import (
	"bytes"
	"path"
	"strings"
)

// conditions follow the directives of a source, to tell what is included whatever is configured:
// outside of all conditions, but for the guard that keeps a header from being read twice.
type conditions struct {
	seen, depth int
	guard       []byte // the name of the first condition, nil when that is another
	guarded     bool   // the first condition is a guard, and its end has not come
}

// always takes the next directive, without its '#', and reports whether it is one that always counts.
func (c *conditions) always(line []byte) bool {
	c.seen++
	first, rest := word(line)
	name, _ := word(rest)
	switch string(first) {
	case "ifndef":
		if c.depth++; c.seen == 1 {
			c.guard = name
		}
	case "if", "ifdef":
		c.depth++
	case "define":
		if c.seen == 2 && c.depth == 1 && len(name) > 0 && bytes.Equal(name, c.guard) {
			c.guarded = true
		}
	case "else", "elif":
		c.guarded = c.guarded && c.depth > 1
	case "endif":
		c.depth--
		c.guarded = c.guarded && c.depth > 0
	}
	return c.depth == 0 || c.depth == 1 && c.guarded
}

// certain reports whether an object has one of the files for sure, by directives alone that stand under no
// condition. It spares a question to the preprocessor. Where it errs, since a name for a guard is that of
// another, an object is compiled in which nothing differs.
func (q *question) certain(u *Unit) bool {
	var folders []string
	for _, m := range foldersForm.FindAllStringSubmatch(u.Command, -1) {
		folders = append(folders, m[1])
	}
	todo, seen := append(forcedBy(u), u.Source), map[string]bool{}
	for len(todo) > 0 {
		file := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[file] || !q.reached[file] {
			continue
		}
		if seen[file] = true; q.want[file] {
			return true
		}
		for _, inc := range q.graph.Includes[file] {
			if at := q.graph.resolve(file, inc, folders); at != "" {
				todo = append(todo, at)
			}
		}
	}
	return false
}

// resolve finds the file that a directive names which always counts, "" for others and where it is not
// in the tree.
func (g *graph) resolve(by string, inc include, folders []string) string {
	if !inc.Always {
		return ""
	}
	if inc.Quoted {
		if near := path.Join(path.Dir(by), inc.Name); g.has(near) {
			return near
		}
	}
	for _, f := range folders {
		if at := path.Join(strings.TrimPrefix(f, "./"), inc.Name); g.has(at) {
			return at
		}
	}
	return ""
}
