//go:build linux

package store

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// ram is a disk in memory, which remembers what has reached the platter. It is that of a file
// system which promises nothing but what POSIX does: content that is not synced may be there or
// not, and each name that is not synced too, in any order.
type ram struct {
	now   map[string]*content // what programs see
	disk  map[string]*content // what is on the disk for sure
	ops   []op                // of names, not on the disk yet
	steps int
	stop  int // the step before which the machine loses its power; -1 for never
}

type content struct {
	data   []byte
	synced bool
	folder bool
}

// An op is a change of names: to is "" where a name goes away, and from is "" where it is new.
type op struct {
	from, to string
	what     *content
}

var errPower = errors.New("the power is gone")

func (r *ram) step() error {
	if r.steps == r.stop {
		return errPower
	}
	r.steps++
	return nil
}

func (r *ram) change(o op) {
	r.ops = append(r.ops, o)
	apply(r.now, o)
}

func apply(names map[string]*content, o op) {
	if o.from != "" {
		delete(names, o.from)
	}
	if o.to != "" {
		names[o.to] = o.what
	}
}

func (r *ram) mkdir(name string) error {
	if err := r.step(); err != nil {
		return err
	}
	if r.now[name] == nil {
		r.change(op{to: name, what: &content{folder: true, synced: true}})
	}
	return nil
}

func (r *ram) write(name string, data []byte) error {
	if err := r.step(); err != nil {
		return err
	}
	if r.now[name] != nil {
		return fs.ErrExist
	}
	c := &content{}
	r.change(op{to: name, what: c})
	if err := r.step(); err != nil { // a part was written
		c.data = data[:len(data)/2]
		return err
	}
	c.data = data
	if err := r.step(); err != nil {
		return err
	}
	c.synced = true
	return nil
}

func (r *ram) rename(from, to string) error {
	if err := r.step(); err != nil {
		return err
	}
	if r.now[from] == nil {
		return fs.ErrNotExist
	}
	r.change(op{from, to, r.now[from]})
	return nil
}

func (r *ram) remove(name string) error {
	if err := r.step(); err != nil {
		return err
	}
	if r.now[name] == nil {
		return fs.ErrNotExist
	}
	r.change(op{from: name})
	return nil
}

func (r *ram) sync(folder string) error {
	if err := r.step(); err != nil {
		return err
	}
	var rest []op
	for _, o := range r.ops {
		if in := path.Dir(max(o.from, o.to)); in == folder {
			apply(r.disk, o)
		} else {
			rest = append(rest, o)
		}
	}
	r.ops = rest
	return nil
}

func (r *ram) read(name string, _ int64) ([]byte, error) {
	if r.now[name] == nil {
		return nil, fs.ErrNotExist
	}
	return r.now[name].data, nil
}

func (r *ram) names(folder string) (out []string, err error) {
	if r.now[folder] == nil {
		return nil, fs.ErrNotExist
	}
	for name := range r.now {
		if path.Dir(name) == folder {
			out = append(out, path.Base(name))
		}
	}
	slices.Sort(out)
	return out, nil
}

// after calls f with each disk that there may be after the power is gone: with every choice of
// the changes of names, and with content that was not synced empty, in part or whole.
func (r *ram) after(f func(*ram)) {
	for choice := range 1 << len(r.ops) {
		for _, part := range []int{0, 1, 2} {
			names := maps.Clone(r.disk)
			for i, o := range r.ops {
				if choice>>i&1 != 0 {
					apply(names, o)
				}
			}
			for name, c := range names {
				cut := &content{data: c.data, synced: true, folder: c.folder}
				if !c.synced {
					cut.data = c.data[:len(c.data)*part/2]
				}
				names[name] = cut
				if !c.folder && path.Dir(name) != "." && names[path.Dir(name)] == nil {
					delete(names, name) // its folder is not there
				}
			}
			f(&ram{now: names, disk: maps.Clone(names), stop: -1})
		}
	}
}

func (r *ram) store() *Store {
	return &Store{r, func(context.Context, bool) (func(), error) { return func() {}, nil }}
}

// seen is what a store says of itself, or the error.
func seen(t *testing.T, r *ram) string {
	t.Helper()
	s := r.store()
	l, err := s.List(t.Context(), &here)
	if err != nil {
		return err.Error()
	}
	g, err := s.guard()
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	if err := l.Text(&b); err != nil {
		return err.Error()
	}
	for _, left := range g.LeftOut {
		b.WriteString("left out: " + left.Name + "\n")
	}
	if g.Record != nil {
		for _, a := range g.Record.Updates {
			b.WriteString(g.Record.Boot + ": " + a.Name + " " + string(a.Step) + "\n")
		}
	}
	return b.String()
}

// TestPower has the power go before each step of each change: what is there then is as before it,
// or as after it, the change can be done again, and a boot never loads what is not written down.
func TestPower(t *testing.T) {
	k := newKey(t)
	a, b := k.sign(t, update(t, "fix_a", here.Release, false)), update(t, "fix_b", here.Release, false)
	beside := k.sign(t, b)
	beside = beside[len(b) : len(beside)-40]
	accept := func(s *Store) error {
		_, err := s.SetPolicy(t.Context(), func(p *Policy) error { p.Keys = []Key{k.accepted("release")}; return nil })
		return err
	}
	one := func(_ any, err error) error { return err }
	changes := []struct {
		what string
		do   func(s *Store) error
	}{
		{"accept a key", accept},
		{"add", func(s *Store) error { return one(s.Add(t.Context(), a, nil)) }},
		{"add with a signature beside", func(s *Store) error { return one(s.Add(t.Context(), b, beside)) }},
		{"order", func(s *Store) error { return s.Order(t.Context(), "fix_b") }},
		{"disable", func(s *Store) error { return one(s.Enable(t.Context(), "fix_a", false)) }},
		{"prove good", func(s *Store) error {
			if err := one(s.Boot(t.Context(), &kernel{}, &here, Options{})); err != nil {
				return err
			}
			return one(s.Good(t.Context(), &here))
		}},
		{"remove", func(s *Store) error { return one(s.Remove(t.Context(), "fix_b")) }},
		{"policy", func(s *Store) error {
			return one(s.SetPolicy(t.Context(), func(p *Policy) error { p.Signatures = Optional; return nil }))
		}},
	}
	states := 0
	r := &ram{now: map[string]*content{}, disk: map[string]*content{}, stop: -1}
	for _, c := range changes {
		before := seen(t, r)
		whole := r.clone()
		if err := c.do(whole.store()); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		want := seen(t, whole)
		for stop := range whole.steps {
			cut := r.clone()
			cut.stop = stop
			if err := c.do(cut.store()); err == nil && c.what != "prove good" {
				t.Errorf("%s: done, without power from step %d on", c.what, stop)
			}
			cut.after(func(left *ram) {
				states++
				now := seen(t, left)
				if c.what == "prove good" {
					now, _, _ = strings.Cut(now, "boot 1111") // what is in progress is the guard's affair
				}
				if now != before && now != want {
					t.Errorf("%s, without power from step %d on: the store is\n%s\nbefore\n%s\nafter\n%s", c.what, stop, now, before, want)
				}
				if err := c.do(left.store()); err != nil && !errors.Is(err, CodeThere) && !errors.Is(err, CodeNone) || seen(t, left) != want {
					t.Errorf("%s again: %v", c.what, err)
				}
				for name := range left.now { // nothing is left lying around
					if strings.HasSuffix(name, fresh) {
						t.Errorf("%s again, after step %d: %s is left", c.what, stop, name)
					}
				}
			})
			if t.Failed() {
				return
			}
		}
		r = whole
		r.steps = 0
	}
	t.Logf("%d disks after a loss of power", states)
}

func (r *ram) clone() *ram {
	return &ram{now: maps.Clone(r.now), disk: maps.Clone(r.disk), ops: slices.Clone(r.ops), stop: -1}
}

// TestPowerAtBoot has the power go at each step of a boot: an update that was loaded, or was being
// loaded, is left out in the next, whatever the disk kept.
func TestPowerAtBoot(t *testing.T) {
	k := newKey(t)
	r := &ram{now: map[string]*content{}, disk: map[string]*content{}, stop: -1}
	s := r.store()
	set(t, s, func(p *Policy) { p.Keys = []Key{k.accepted("release")} })
	for _, name := range []string{"fix_a", "fix_b"} {
		add(t, s, k.sign(t, update(t, name, here.Release, false)))
	}
	r.steps = 0
	whole := r.clone()
	if _, err := whole.store().Boot(t.Context(), &kernel{}, &here, Options{}); err != nil {
		t.Fatal(err)
	}
	for stop := range whole.steps + 1 {
		cut, tried := r.clone(), &kernel{}
		cut.stop = stop
		cut.store().Boot(t.Context(), tried, &here, Options{})
		cut.after(func(left *ram) {
			again := &kernel{}
			report, err := left.store().Boot(t.Context(), again, next("2"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range tried.tried {
				if slices.Contains(again.tried, name) {
					t.Errorf("without power from step %d on: %s was loaded then, and is loaded again: %+v", stop, name, report)
				}
			}
			// One may be written down whose load has not begun.
			if n := len(again.tried) + len(tried.tried); n < 1 || n > 2 {
				t.Errorf("step %d: then %q, again %q", stop, tried.tried, again.tried)
			}
		})
	}
}
