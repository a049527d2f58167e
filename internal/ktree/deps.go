package ktree

import (
	"context"
	"errors"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
)

// Dependents returns the objects that the build would make again when files of the tree
// change, by their names: those that are made of one, and those that include one. What may
// include a file is found by a search. Where no condition stands on the way, it does; about each
// other object the preprocessor is asked, once.
//
// A file that the tree does not have is part of the objects that would find it where they look
// for one of its name.
func (t *Tree) Dependents(ctx context.Context, changed []string) ([]Unit, error) {
	return t.dependents(ctx, changed, func(*Unit) bool { return true })
}

// Has reports whether an object would be made again when a file of the tree changes.
func (t *Tree) Has(ctx context.Context, object, file string) (bool, error) {
	list, err := t.dependents(ctx, []string{file}, func(u *Unit) bool { return u.Object == object })
	return len(list) > 0, err
}

// wideSample is how many objects [Tree.Wider] asks about.
const wideSample = 64

// Wider reports whether more than so many objects have a file of the tree, or one of several. It asks
// about a few out of those that may, and answers no unless these leave little doubt: for who does not want to
// ask about all of them.
func (t *Tree) Wider(ctx context.Context, than int, files ...string) (bool, error) {
	units, may, q, err := t.candidates(ctx, files, func(*Unit) bool { return true })
	if err != nil || len(may) <= than {
		return false, err
	}
	n := min(wideSample, len(may))
	ask := make([]int, n)
	for k := range ask {
		ask[k] = may[k*len(may)/n]
	}
	is, err := t.including(ctx, units, ask, q)
	if err != nil {
		return false, err
	}
	have := 0
	for _, has := range is {
		if has {
			have++
		}
	}
	return surelyMore(have, n, len(may), than), nil
}

// surelyMore reports whether more than so many of all have something, where some of a sample do: by
// two standard deviations.
func surelyMore(have, sample, all, than int) bool {
	n := float64(sample)
	share := float64(have) / n
	return (share-2*math.Sqrt(share*(1-share)/n))*float64(all) > float64(than)
}

// dependents is Dependents for some of the objects.
func (t *Tree) dependents(ctx context.Context, changed []string, some func(*Unit) bool) ([]Unit, error) {
	units, ask, q, err := t.candidates(ctx, changed, some)
	if err != nil {
		return nil, err
	}
	is, err := t.including(ctx, units, ask, q)
	if err != nil {
		return nil, err
	}
	var out []Unit // in the order of the list: by object
	for k, i := range ask {
		if is[k] {
			out = append(out, units.list[i])
		}
	}
	return out, nil
}

// candidates are some of the objects, by their numbers: those that may have one of some files, as far as
// text tells.
func (t *Tree) candidates(ctx context.Context, files []string, some func(*Unit) bool) (units *Units, may []int, q *question, err error) {
	if units, err = t.Units(ctx); err != nil {
		return nil, nil, nil, err
	}
	g, err := t.includes(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	q = newQuestion(t, g, files)
	forced := units.forced()
	for i := range units.list {
		if u := &units.list[i]; q.may(u, forced[i], g) && some(u) {
			may = append(may, i)
		}
	}
	return units, may, q, nil
}

// A question is which objects some files are part of.
type question struct {
	want    map[string]bool // the files
	reached map[string]bool // those that may have one, as far as their text says
	// near are the files that name one that the tree does not have, with these.
	near  map[string][]absent
	graph *graph
}

// An absent is a file that the tree does not have, by a name under which it is included.
type absent struct{ file, name string }

func newQuestion(t *Tree, g *graph, changed []string) *question {
	q := &question{want: map[string]bool{}, reached: map[string]bool{}, near: map[string][]absent{}, graph: g}
	for _, name := range changed {
		name = clean(name)
		q.want[name] = true
		g.reach(name, q.reached)
		if _, err := t.Stat(name); err == nil {
			continue
		}
		for file, inc := range g.naming(name) {
			q.near[file] = append(q.near[file], absent{name, inc})
		}
	}
	return q
}

// may reports whether an object, which is forced to include some files, may have one of those in question.
func (q *question) may(u *Unit, forced []string, g *graph) bool {
	switch {
	case q.want[u.Source] || q.reached[u.Source]:
		return true
	case slices.ContainsFunc(forced, func(name string) bool { return q.reached[name] }):
		return true
	}
	return !g.has(u.Source) && q.byMaking(path.Dir(u.Source))
}

// sharedFolders have what programs of the build are made of, and what is everywhere.
var sharedFolders = []string{"include/", "arch/x86/", "lib/", "scripts/", "tools/", "security/", "usr/"}

// byMaking reports whether one of the files may be part of what the build makes in a folder.
func (q *question) byMaking(dir string) bool {
	for name := range q.want {
		if path.Dir(name) == dir || slices.ContainsFunc(sharedFolders, func(f string) bool { return strings.HasPrefix(name, f) }) {
			return true
		}
	}
	return false
}

// has reports whether an object has one of the files, by the list of what it is made of.
func (q *question) has(u *Unit, list []string) bool {
	for _, name := range list {
		if q.want[name] {
			return true
		}
		for _, a := range q.near[name] {
			if finds(u, name, a) {
				return true
			}
		}
	}
	return false
}

// finds reports whether a file that names another finds it where that would be: in its own folder,
// or below one that the compiler is told.
func finds(u *Unit, by string, a absent) bool {
	if filepath.Join(filepath.Dir(by), a.name) == a.file {
		return true
	}
	for _, m := range foldersForm.FindAllStringSubmatch(u.Command, -1) {
		if filepath.Join(m[1], a.name) == a.file {
			return true
		}
	}
	return false
}

var (
	foldersForm = regexp.MustCompile(` -(?:I|iquote|isystem|idirafter) ?(\S+)`)
	forcedForm  = regexp.MustCompile(` -(?:include|imacros) ?(\S+)`)
)

// forcedBy are the files that the command of an object has it include.
func forcedBy(u *Unit) []string {
	var out []string
	for _, m := range forcedForm.FindAllStringSubmatch(u.Command, -1) {
		out = append(out, clean(m[1]))
	}
	return out
}

// including reports which of some units have one of the files.
func (t *Tree) including(ctx context.Context, units *Units, ask []int, q *question) ([]bool, error) {
	is := make([]bool, len(ask))
	count := t.spec.Progress.Begin("dependencies", len(ask))
	out, err := t.scratch()
	if err != nil {
		return nil, err
	}
	defer out.release()
	p := &preprocessing{tree: t, out: out}
	lacking := make([]bool, len(ask))
	err = t.each(ctx, len(ask), func(ctx context.Context, k int) error {
		u := &units.list[ask[k]]
		_, kept, err := t.keptDeps(u)
		if err == nil && !kept && q.certain(u) {
			is[k] = true
			count.Done()
			return nil
		}
		list, ok, err := p.deps(ctx, u, filepath.Join(out.dir, strconv.Itoa(k)))
		lacking[k] = !ok
		if err == nil && ok {
			is[k] = q.has(u, list)
			count.Done()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return is, t.askMake(ctx, units, ask, lacking, func(k int, list []string) {
		is[k] = list == nil || q.has(&units.list[ask[k]], list)
		count.Done()
	})
}

// askMake has make make those of some units that need what it makes on the way, which tells what
// they are made of. Of one that can't be made nothing is known: its list is nil.
func (t *Tree) askMake(ctx context.Context, units *Units, ask []int, lacking []bool, tell func(int, []string)) error {
	var list []Unit
	var at []int
	for k, i := range ask {
		if lacking[k] {
			list, at = append(list, units.list[i]), append(at, k)
		}
	}
	if len(list) == 0 {
		return nil
	}
	if _, err := t.Compile(ctx, list, nil); err != nil {
		return err
	}
	for n, k := range at {
		deps, ok, err := t.keptDeps(&list[n])
		if err != nil {
			return err
		}
		if !ok {
			deps = nil
		}
		tell(k, deps)
	}
	return nil
}

// preprocessing asks the preprocessor.
type preprocessing struct {
	tree *Tree
	out  *scratch
}

// deps lists the files that an object is made of, by the preprocessor. They are kept. It is not
// ok where one of them is only there when make has made it.
func (p *preprocessing) deps(ctx context.Context, u *Unit, tmp string) (list []string, ok bool, err error) {
	t := p.tree
	if list, ok, err = t.keptDeps(u); ok || err != nil {
		return list, ok, err
	}
	if _, err := t.Stat(u.Source); err != nil {
		return nil, false, ignoreMissing(err)
	}
	text, err := p.ask(ctx, u, tmp+".d")
	if text == nil || err != nil {
		return nil, false, err
	}
	if list, err = t.embedded(t.dir, u, parseDeps(text)); err != nil {
		return nil, false, err
	}
	if err := os.MkdirAll(t.folder(u), 0o755); err != nil {
		return nil, false, err
	}
	return list, true, t.explain(t.keepDeps(u, &edition{}, tmp, list))
}

// ask returns what the preprocessor lists, nil when it does not take the source. GCC is faster
// by a third where it need not expand macros, which no other compiler can, and which is
// not for assembler: there a quote may have no end.
func (p *preprocessing) ask(ctx context.Context, u *Unit, dep string) ([]byte, error) {
	c := &compilation{tree: p.tree, dir: p.tree.dir, out: p.out, locks: []*os.File{p.out.lock}}
	return c.listInputs(ctx, u, dep)
}

// listInputs is ask in an edition.
func (c *compilation) listInputs(ctx context.Context, u *Unit, dep string) ([]byte, error) {
	ways := []string{" -fdirectives-only", ""}
	if path.Ext(u.Source) != ".c" {
		ways = ways[1:]
	}
	for _, way := range ways {
		cmd, err := onlyDeps(u, way, dep)
		if err != nil {
			return nil, err
		}
		err = c.shell(ctx, u, cmd)
		var ce *CompileError
		switch {
		case err == nil:
			return os.ReadFile(dep)
		case !errors.As(err, &ce):
			return nil, err
		}
	}
	return nil, nil
}

// onlyDeps has a command list what the object is made of, and make nothing.
func onlyDeps(u *Unit, how, dep string) (string, error) {
	cmd, err := redirect(u, ".", "/dev/null", "/dev/null")
	if err != nil {
		return "", err
	}
	cmd = strings.Replace(cmd, " -MD -MF /dev/null", "", 1)
	return strings.Replace(cmd, " -c -o /dev/null ", how+" -M -MF "+child.Quote(dep)+" ", 1), nil
}
