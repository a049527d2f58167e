package fixes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module/internal/entries"
	"github.com/gosplice/gosplice/splice/module/internal/sides"
)

// vmlinux is the kernel itself among the modules of an image.
const vmlinux = "vmlinux"

// checker compares the functions of objects with one kernel.
type checker struct {
	img    *image.Image
	moving bool // a transition is under way
}

// matching is one object while it is compared.
type matching struct {
	*checker
	*side
	home string // the module that the functions belong to
	// pre and post are what matching says about the places where the functions belong.
	pre, post *reloc.Result
	away      map[string]*reloc.Result // of post, in the modules that functions are redirected to
	old       map[uint64]bool          // where functions are that change
}

// object finds out what runs of the functions of an object.
func (c *checker) object(ctx context.Context, s *Source, o *side) ([]Function, error) {
	m := &matching{checker: c, side: o, home: o.Module, away: map[string]*reloc.Result{}, old: map[uint64]bool{}}
	if m.home == "" {
		m.home = vmlinux
	}
	if !c.has(m.home) {
		return m.absent(), nil
	}
	var err error
	if m.pre, err = reloc.Match(ctx, o.pre, c.img, reloc.Options{Module: m.home}); err != nil {
		return nil, fmt.Errorf("%s of %s, without the change: %w", o.Name, s.Name, err)
	}
	if m.post, err = reloc.Match(ctx, o.post, c.img, reloc.Options{Module: m.home}); err != nil {
		return nil, fmt.Errorf("%s of %s, with the change: %w", o.Name, s.Name, err)
	}
	var out []Function
	for i := range o.Pairs {
		f, err := m.function(ctx, &o.Pairs[i])
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", o.Name, s.Name, err)
		}
		if f != nil {
			out = append(out, *f)
		}
	}
	m.byCallers(out)
	m.added(out)
	return append(out, m.copies(out)...), nil
}

// has reports whether a module is loaded.
func (c *checker) has(module string) bool {
	for i := range c.img.Modules() {
		m := &c.img.Modules()[i]
		if m.Name == module || i == 0 && module == vmlinux {
			return true
		}
	}
	return false
}

func (m *matching) absent() (out []Function) {
	for i := range m.Pairs {
		if p := &m.Pairs[i]; counts(p) {
			out = append(out, Function{
				Name: nameOf(p), Object: m.Name, Module: m.Module, Runs: Absent, New: p.Pre == "",
				Why: fmt.Sprintf("the module %s is not loaded", m.Module),
			})
		}
	}
	return out
}

func nameOf(p *sides.Pair) string {
	if p.Pre != "" {
		return p.Pre
	}
	return p.Post
}

// counts reports whether a pair is looked at for itself: functions that are gone are not, and cold
// parts belong to their function.
func counts(p *sides.Pair) bool { return p.Post != "" && !isCold(p.Post) && !isCold(p.Pre) }

func isCold(name string) bool { return strings.Contains(name, ".cold") }

// function finds out what runs of one; nil when it is not looked at for itself.
func (m *matching) function(ctx context.Context, p *sides.Pair) (*Function, error) {
	if !counts(p) {
		return nil, nil
	}
	f := &Function{Name: nameOf(p), Object: m.Name, Module: m.Module, New: p.Pre == ""}
	post := whole(m.post, m.side.post, p.Post)
	if f.New {
		f.is(Other, post, "it is not there: "+post.why)
		if post.ok {
			f.is(Post, post, "")
			f.In = m.home
		}
		return f, nil
	}
	pre := whole(m.pre, m.side.pre, p.Pre)
	m.remember(pre, post)
	switch {
	case pre.redirect != nil:
		return f, m.redirected(ctx, f, p, &pre, pre.redirect.Verdict == reloc.Matched)
	case post.redirect != nil:
		return f, m.redirected(ctx, f, p, &post, false)
	case pre.ok && post.ok:
		f.is(Either, post, "the code with and without the change can't be told apart there")
	case pre.ok && entries.IsExit(m.img, pre.addr):
		f.is(Other, pre, "it runs when the module is removed, unless a livepatch has put another one into struct module, which is not looked at")
	case pre.ok:
		f.is(Pre, pre, "")
	case post.ok:
		f.is(Post, post, "")
	default:
		f.is(Other, pre, fmt.Sprintf("it is neither: without the fix: %s; with the fix: %s", pre.why, post.why))
	}
	f.In = m.home
	return f, nil
}

func (f *Function) is(r Runs, w found, why string) {
	f.Runs, f.Address, f.Why = r, w.addr, why
}

// redirected finds out what runs of a function whose calls lead elsewhere.
// Same says that what they lead to is the code without the change.
func (m *matching) redirected(ctx context.Context, f *Function, p *sides.Pair, old *found, same bool) error {
	to := old.redirect
	mod, _ := m.img.ModuleAt(to.To)
	f.Address = to.To
	f.Runs = Other
	if mod == nil {
		f.Why = fmt.Sprintf("its calls lead to %#x, which is in no module", to.To)
		return nil
	}
	f.In = mod.Name
	if to.Kind == image.PatchLivepatch {
		if why := entries.Untraced(m.img, old.addr); why != "" {
			f.Why = why
			return nil
		}
	}
	if m.moving {
		f.Why = "a transition is under way: some tasks run other code of it than others"
		return nil
	}
	r, err := m.in(ctx, mod.Name)
	if err != nil {
		return err
	}
	there := whole(r, m.side.post, p.Post)
	switch {
	case there.ok && there.addr == to.To && same:
		f.Runs, f.Why = Either, "the code with and without the change can't be told apart there"
	case there.ok && there.addr == to.To:
		f.Runs = Post
	case same:
		f.Runs = Pre
	default:
		why := there.why
		if there.ok {
			why = fmt.Sprintf("the code with the change is at %#x there", there.addr)
		}
		f.Why = fmt.Sprintf("its calls lead to other code, at %#x in %s: %s", to.To, mod.Name, why)
	}
	return nil
}

// in matches the code with the change in a module.
func (m *matching) in(ctx context.Context, module string) (*reloc.Result, error) {
	if r := m.away[module]; r != nil {
		return r, nil
	}
	r, err := reloc.Match(ctx, m.side.post, m.img, reloc.Options{Module: module})
	m.away[module] = r
	return r, err
}

// added looks for new functions in the modules that have the code with the change.
func (m *matching) added(list []Function) {
	for i := range list {
		f := &list[i]
		if !f.New || f.Runs == Post {
			continue
		}
		for _, module := range slices.Sorted(maps.Keys(m.away)) {
			w := whole(m.away[module], m.side.post, f.Name)
			if w.ok {
				f.is(Post, w, "")
				f.In = module
				break
			}
			f.Why = "it is not there: " + w.why
		}
	}
}

// found is what matching says of a function with its cold parts.
type found struct {
	ok       bool
	addr     uint64 // where it is, or was expected
	why      string // where it is not ok
	redirect *reloc.Redirect
}

// whole looks a function up with its cold parts, all of which have to match.
func whole(r *reloc.Result, o *object.Object, name string) found {
	var w found
	n := 0
	for i := range r.Functions {
		f := &r.Functions[i]
		if f.Name != name {
			continue
		}
		n++
		one := foundOf(f)
		w.ok, w.addr, w.why, w.redirect = one.ok, one.addr, one.why, one.redirect
		for k := range r.Functions {
			if c := &r.Functions[k]; o.Atom(c.Atom).Owner == f.Atom && c.Verdict != reloc.Matched {
				part := foundOf(c)
				w.ok, w.why = false, part.why
			}
		}
	}
	switch {
	case n == 0:
		return found{why: "the object does not have it"}
	case n > 1:
		w.ok, w.why = false, fmt.Sprintf("the object has %d functions of that name", n)
	}
	return w
}

func foundOf(f *reloc.FuncResult) found {
	w := found{ok: f.Verdict == reloc.Matched, addr: f.Address, redirect: f.Redirect}
	switch {
	case w.ok:
		for i := range f.Patches {
			if p := &f.Patches[i]; p.Kind == image.PatchBreakpoint && p.Offset < entries.Size || p.Kind == image.PatchProbeJump {
				w.ok, w.why = false, fmt.Sprintf("a probe stands at +%#x, and where it leads is not known", p.Offset)
			}
		}
	case f.Mismatch != nil:
		w.why = f.Mismatch.Error()
	case f.Freed:
		w.why = "it is freed"
	case f.Undecided != "":
		w.why = f.Undecided
	default:
		w.why = f.Verdict.String()
	}
	return w
}
