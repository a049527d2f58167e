package program

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/cbuild"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// A plan is what patches affect.
type plan struct {
	changes  map[string][]byte
	modes    map[string]fs.FileMode
	files    []source.FileResult
	refusals []*finding.Refusal
	rebuild  string        // why all is built again, "" where it is not
	post     *cbuild.Build // the build with the patches; that without where it would be the same
	pairs    []*pair
}

// A pair is an object without and with the patches.
type pair struct {
	pre, post int // units, -1 where there is none
	name      string
	source    string
	because   []string
	outputs   []string // what it is linked into, by paths
}

// plan applies patches, and finds the objects that they affect.
func (b *Builder) plan(ctx context.Context, patches []*patch.Patch) (*plan, error) {
	tree := patch.NewTree(os.DirFS(b.source.Dir))
	for _, x := range patches {
		if err := tree.Apply(x); err != nil {
			if !errors.Is(err, finding.ErrRefused) {
				return nil, fmt.Errorf("patch %s: %w", x.Name, err)
			}
			return &plan{refusals: finding.Refusals(err)}, nil
		}
	}
	return b.planChanges(ctx, tree.Changed(), tree.Modes())
}

// planChanges finds the objects that other files affect.
func (b *Builder) planChanges(ctx context.Context, changes map[string][]byte, modes map[string]fs.FileMode) (*plan, error) {
	p := &plan{changes: changes, modes: modes, post: b.pre}
	b.classify(p)
	if p.rebuild == "" {
		p.rebuild = b.copied(p.parts())
	}
	if b.opt.Rebuild {
		p.rebuild = "it was asked for"
	}
	if p.rebuild == "" {
		b.affected(p)
	}
	if p.rebuild != "" {
		var err error
		p.tell()
		if p.post, err = b.build(ctx, p.changes, p.modes); err != nil {
			return nil, err
		}
		if err := b.differing(ctx, p); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(p.pairs, func(x, y *pair) int {
		return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.pre, y.pre), cmp.Compare(x.post, y.post))
	})
	b.count(p)
	return p, nil
}

// parts are the files that objects are made of.
func (p *plan) parts() []string {
	var names []string
	for i := range p.files {
		if p.files[i].Kind != source.FileOther {
			names = append(names, p.files[i].Path)
		}
	}
	return names
}

// tell notes why all is built again, with the first file that objects are made of.
func (p *plan) tell() {
	for i := range p.files {
		if f := &p.files[i]; f.Note == "" {
			f.Note = "all is built again: " + p.rebuild
			return
		}
	}
}

// harmless are files that no object is made of, by patterns of path.Match: over the whole path
// where it has a slash, else over the last part; with "/" at the end, all below a folder of that
// name. What is part of an object is none of them, whatever it is called.
var harmless = strings.Fields(`*.md *.rst *.adoc *.pod *.html *.[1-8] *.po *.pot *.service *.socket
	README* NEWS* ChangeLog* CHANGES* AUTHORS* COPYING* LICENSE* THANKS* TODO* SECURITY* CODE_OF_CONDUCT* MANIFESTO BUGS
	00-RELEASENOTES .git* .github/ .travis.yml .ci/ doc/ docs/ man/ tests/ test/ t/ testsuite/ regress/ reg-tests/
	.pc/ debian/changelog debian/copyright debian/watch debian/patches/ debian/tests/ debian/NEWS debian/*.NEWS debian/*.install
	debian/gitlab-ci.yml debian/salsa-ci.yml debian/upstream/ debian/*.service debian/*.postinst debian/*.preinst debian/*.prerm debian/*.postrm`)

// isHarmless reports whether a file is one of them.
func isHarmless(name string) bool {
	return slices.ContainsFunc(harmless, func(pattern string) bool {
		if dir, ok := strings.CutSuffix(pattern, "/"); ok {
			return strings.HasPrefix(name, dir+"/") || !strings.Contains(dir, "/") && strings.Contains(name, "/"+dir+"/")
		}
		text := name
		if !strings.Contains(pattern, "/") {
			text = path.Base(name)
		}
		ok, _ := path.Match(pattern, text)
		return ok
	})
}

// headerEnds are the ends of names of what others include.
var headerEnds = []string{".h", ".hh", ".hpp", ".hxx", ".inc", ".ipp", ".tcc"}

// classify says what each changed file is to the build, and whether all has to be built again.
func (b *Builder) classify(p *plan) {
	compiled, included, names := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range b.pre.Units {
		u := &b.pre.Units[i]
		compiled[u.Source] = true
		for _, d := range u.Deps {
			included[d] = true
			names[filepath.Base(d)] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.changes)) {
		full := filepath.Join(b.pre.Root, name)
		_, err := os.Lstat(filepath.Join(b.source.Dir, name))
		isNew, gone := err != nil, p.changes[name] == nil
		f := source.FileResult{Path: name, Kind: source.FileOther, Change: "modified"}
		switch {
		case gone:
			f.Change = "deleted"
		case isNew:
			f.Change = "new"
		}
		isHeader := slices.Contains(headerEnds, filepath.Ext(name))
		switch {
		case compiled[full] && !gone:
			f.Kind = source.FileSource
		case included[full] && !gone:
			f.Kind = source.FileHeader
		case !included[full] && isHarmless(name):
			f.Note = "no object is made of it"
		case isNew && isHeader && !names[filepath.Base(name)]:
			f.Kind, f.Note = source.FileHeader, "nothing included it before"
		default:
			f.Kind, f.Note = source.FileGenerator, "the build may depend on it: all is built again"
			p.rebuild = cmp.Or(p.rebuild, name+" may change how it is built")
		}
		p.files = append(p.files, f)
	}
}

// affected finds the objects that are made of changed files, and what generates source of them.
func (b *Builder) affected(p *plan) {
	for i := range b.pre.Units {
		u := &b.pre.Units[i]
		var because []string
		for _, d := range u.Deps {
			if _, ok := p.changes[b.pre.Rel(d)]; ok {
				because = append(because, b.pre.Rel(d))
			}
		}
		if len(because) == 0 {
			continue
		}
		if p.rebuild = b.generates(i); p.rebuild != "" {
			p.pairs = nil
			return
		}
		p.pairs = append(p.pairs, &pair{pre: i, post: i, name: b.pre.Rel(u.Object), source: b.pre.Rel(u.Source), because: because, outputs: outputsOf(b.pre, i)})
	}
}

// outputsOf lists what a unit is linked into.
func outputsOf(m *cbuild.Build, unit int) []string {
	out := []string{}
	for i := range m.Outputs {
		if slices.Contains(m.Outputs[i].Units, unit) {
			out = append(out, m.Outputs[i].Path)
		}
	}
	return out
}

// A unitKey tells which units of two builds are of one object: by what is written, and how often
// that was before.
type unitKey struct {
	object string
	nth    int
}

func keys(m *cbuild.Build) (map[unitKey]int, []unitKey) {
	at, times := map[unitKey]int{}, map[string]int{}
	var order []unitKey
	for i := range m.Units {
		if m.Units[i].Generates {
			continue
		}
		k := unitKey{m.Units[i].Object, times[m.Units[i].Object]}
		times[k.object]++
		at[k] = i
		order = append(order, k)
	}
	return at, order
}

// differing finds the objects of two builds that are made of other files, or in another way.
func (b *Builder) differing(ctx context.Context, p *plan) error {
	pre, order := keys(b.pre)
	post, more := keys(p.post)
	for _, k := range more {
		if _, ok := pre[k]; !ok {
			order = append(order, k)
		}
	}
	c := contents{b.pre, p.post, map[string]bool{}}
	for _, k := range order {
		if err := ctx.Err(); err != nil {
			return err
		}
		x := &pair{pre: -1, post: -1}
		if i, ok := post[k]; ok {
			u := &p.post.Units[i]
			x.post, x.name, x.source, x.outputs = i, p.post.Rel(u.Object), p.post.Rel(u.Source), outputsOf(p.post, i)
		}
		if i, ok := pre[k]; ok {
			u := &b.pre.Units[i]
			x.pre, x.name, x.source, x.outputs = i, b.pre.Rel(u.Object), b.pre.Rel(u.Source), append(x.outputs, outputsOf(b.pre, i)...)
		}
		slices.Sort(x.outputs)
		x.outputs = slices.Compact(x.outputs)
		if x.because = c.why(x); len(x.because) > 0 {
			p.pairs = append(p.pairs, x)
		}
	}
	return nil
}

// contents compares files of two builds, each once.
type contents struct {
	pre, post *cbuild.Build
	same      map[string]bool
}

// why lists the files of which an object is another, or what else makes it one.
func (c *contents) why(x *pair) []string {
	switch {
	case x.pre < 0:
		return []string{"new"}
	case x.post < 0:
		return []string{"deleted"}
	}
	u, v := &c.pre.Units[x.pre], &c.post.Units[x.post]
	var out []string
	if !slices.Equal(c.pre.Commands[u.Command].Args, c.post.Commands[v.Command].Args) {
		out = append(out, "its command")
	}
	if u.Deps == nil || v.Deps == nil {
		return append(out, "what it is made of is not known")
	}
	all := append(slices.Clone(u.Deps), v.Deps...)
	slices.Sort(all)
	for _, d := range slices.Compact(all) {
		if !c.equal(d) {
			out = append(out, c.pre.Rel(d))
		}
	}
	return out
}

func (c *contents) equal(name string) bool {
	if c.pre.At(name) == name {
		return true // no part of the source
	}
	same, ok := c.same[name]
	if !ok {
		a, aerr := os.ReadFile(c.pre.At(name))
		b, berr := os.ReadFile(c.post.At(name))
		same = aerr == nil && berr == nil && bytes.Equal(a, b)
		c.same[name] = same
	}
	return same
}

// count says how many objects each file affects.
func (b *Builder) count(p *plan) {
	for i := range p.files {
		f := &p.files[i]
		for _, x := range p.pairs {
			if slices.Contains(x.because, f.Path) {
				f.Objects++
			}
		}
	}
}
