//go:build linux

package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/running"
)

// three fills a store: two for this kernel, one for another between them.
func three(t *testing.T, mode Mode) (*Store, string) {
	s, dir, k := newStore(t, mode)
	for name, release := range map[string]string{"fix_a": here.Release, "fix_b": here.Release, "fix_o": "6.1.0-other"} {
		add(t, s, k.sign(t, update(t, name, release, mode == Cumulative)))
	}
	if err := s.Order(t.Context(), "fix_a", "fix_o", "fix_b"); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// TestBoot boots a machine: what is loaded, in which order, and what is left out once a boot did
// not prove good.
func TestBoot(t *testing.T) {
	s, dir := three(t, Stacked)
	_, r := boot(t, s, &here, "fix_a", "fix_b")
	if !r.Well() || !slices.Equal(r.dids(), []Did{Loaded, NotOurs, Loaded}) {
		t.Errorf("%+v", r)
	}
	if names, err := s.Good(t.Context(), next("another boot")); err != nil || names != nil {
		t.Errorf("another boot proves good: %v, %v", names, err)
	}
	if names, err := s.Good(t.Context(), &here); err != nil || !slices.Equal(names, []string{"fix_a", "fix_b"}) {
		t.Errorf("good: %v, %v", names, err)
	}
	boot(t, s, next("2"), "fix_a", "fix_b")
	_, r = boot(t, s, next("3")) // since the second did not prove good
	if r.Well() || r.Failed == nil || r.Failed.Boot != "2" || !slices.Equal(r.dids(), []Did{LeftAway, NotOurs, LeftAway}) || r.Updates[0].Refusal.Code != CodeLeftOut {
		t.Errorf("%+v", r)
	}
	var text strings.Builder
	if err := r.Text(&text); err != nil || !strings.Contains(text.String(), "DID NOT PROVE GOOD") || !strings.Contains(text.String(), "livectl store allow fix_a") {
		t.Errorf("%s, %v", text.String(), err)
	}
	_, r = boot(t, s, next("4"))
	if r.Failed != nil || r.Well() {
		t.Errorf("the next one: %+v", r)
	}
	if names, err := s.Allow(t.Context(), "fix_b"); err != nil || !slices.Equal(names, []string{"fix_b"}) {
		t.Errorf("allow: %v, %v", names, err)
	}
	boot(t, s, next("5"), "fix_b")
	m := next("6")
	m.Off = true
	boot(t, s, m) // and judges nothing
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, r = boot(t, again, next("7"))
	if r.Failed == nil || r.Failed.Boot != "5" {
		t.Errorf("after a boot that was told to load nothing: %+v", r)
	}
	if names, err := s.Allow(t.Context(), ""); err != nil || len(names) != 2 {
		t.Errorf("allow all: %v, %v", names, err)
	}
	_, err = s.Allow(t.Context(), "")
	wantCode(t, "nothing to allow", err, CodeNone)
	boot(t, s, next("8"), "fix_a", "fix_b")
}

// TestProgress has a machine go down while the second of two updates is loaded, and then while the
// first is: what was not reached is not left out.
func TestProgress(t *testing.T) {
	s, _ := three(t, Stacked)
	down := func(at string) {
		defer func() { recover() }()
		s.Boot(t.Context(), &kernel{during: func(name string) {
			if name == at {
				panic("the machine goes down")
			}
		}}, next("down at "+at), Options{})
	}
	down("fix_b")
	if _, r := boot(t, s, next("2")); len(r.left()) != 2 {
		t.Errorf("both were active: %+v", r)
	}
	if _, err := s.Allow(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	down("fix_a")
	boot(t, s, next("3"), "fix_b")
}

// TestCumulative loads the newest that can be loaded.
func TestCumulative(t *testing.T) {
	s, _ := three(t, Cumulative)
	_, r := boot(t, s, &here, "fix_b")
	if !slices.Equal(r.dids(), []Did{Replaced, NotOurs, Loaded}) || !r.Well() {
		t.Errorf("%+v", r)
	}
	boot(t, s, next("2"), "fix_a") // the newest was active when the first failed
	if _, err := s.Allow(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	k := &kernel{refuses: map[string]error{"fix_b": errors.New("no")}}
	r, err := s.Boot(t.Context(), k, next("2"), Options{})
	if err != nil || !slices.Equal(r.dids(), []Did{Loaded, NotOurs, Failed}) {
		t.Errorf("%+v, %v", r, err)
	}
	k.refuses = nil
	k.tried = nil
	if r, err = s.Apply(t.Context(), k, next("2"), Options{}); err != nil || !slices.Equal(k.tried, []string{"fix_b"}) || !slices.Equal(r.dids(), []Did{There, NotOurs, Loaded}) {
		t.Errorf("%v %+v, %v", k.tried, r, err)
	}
	k.tried = nil
	k.list = k.list[1:] // replaced
	if r, err = s.Apply(t.Context(), k, next("2"), Options{}); err != nil || k.tried != nil || !slices.Equal(r.dids(), []Did{Replaced, NotOurs, There}) {
		t.Errorf("%v %+v, %v", k.tried, r, err)
	}
}

// TestApply has an operator load: nothing is left of the record, unless the machine goes down.
func TestApply(t *testing.T) {
	s, _ := three(t, Stacked)
	k := &kernel{refuses: map[string]error{"fix_a": splice.Refuse(splice.CodeBusy, "f", "", 0, "no")}}
	r, err := s.Apply(t.Context(), k, &here, Options{Progress: func(name string, tr *running.Transition) {
		if g, err := s.guard(); err != nil || g.Record.find(digest(t, s, name)).Step != Loading {
			t.Errorf("%s is loaded, and the record is %+v, %v", name, g.Record, err)
		}
	}})
	if err != nil || !slices.Equal(r.dids(), []Did{Failed, NotOurs, Loaded}) || r.Updates[0].Refusal.Code != splice.CodeBusy || r.Well() {
		t.Errorf("%+v, %v", r, err)
	}
	l, err := s.List(t.Context(), &here)
	if err != nil || l.Record != nil || !l.Updates[0].Fits || l.Updates[1].Fits {
		t.Errorf("%+v, %v", l, err)
	}
	// What stays in transition is there.
	k.list = append(k.list, splice.Report{Name: "fix_a", State: splice.Transition})
	k.during = func(string) { k.list[len(k.list)-1].State = splice.Transition }
	k.list[len(k.list)-1].State = splice.Kept
	if r, err = s.Apply(t.Context(), k, &here, Options{}); err != nil || !slices.Equal(r.dids(), []Did{Failed, NotOurs, There}) {
		t.Errorf("%+v, %v", r, err)
	}
	boot(t, s, next("2"), "fix_b")
	if l, err = s.List(t.Context(), &here); err != nil || l.Updates[0].Refusal == nil || l.Updates[0].Refusal.Code != CodeLeftOut || l.Record == nil {
		t.Errorf("%+v, %v", l, err)
	}
	var text strings.Builder
	if err := l.Text(&text); err != nil || !strings.Contains(text.String(), "left-out") {
		t.Errorf("%s, %v", text.String(), err)
	}
}

func digest(t *testing.T, s *Store, name string) string {
	x, err := s.index()
	if err != nil {
		t.Fatal(err)
	}
	i, err := x.find(name)
	if err != nil {
		t.Fatal(err)
	}
	return x.Entries[i].Digest
}

// TestUnguarded has no room for the guard: nothing is loaded.
func TestUnguarded(t *testing.T) {
	s, dir := three(t, Stacked)
	if err := os.Mkdir(filepath.Join(dir, guardName+fresh), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, guardName+fresh, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k := &kernel{}
	_, err := s.Boot(t.Context(), k, &here, Options{})
	wantCode(t, "boot", err, CodeNotLoaded)
	if k.tried != nil {
		t.Errorf("%v", k.tried)
	}
}

// TestMachineOf reads what the kernel says.
func TestMachineOf(t *testing.T) {
	root := t.TempDir()
	for cmdline, off := range map[string]bool{"quiet": false, "gosplice=off": true, "gosplice=off gosplice=on": false, "x gosplice=on gosplice=off\n": true, "xgosplice=off": false} {
		for name, text := range map[string]string{
			"proc/cmdline": cmdline, "proc/sys/kernel/osrelease": "6.1\n", "proc/sys/kernel/random/boot_id": "boot\n",
			"sys/kernel/notes": "\x04\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00\xaa\xbb\x00\x00",
		} {
			path := filepath.Join(root, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if m, err := MachineOf(root); err != nil || *m != (Machine{"aabb", "6.1", "boot", off}) {
			t.Errorf("%q: %+v, %v", cmdline, m, err)
		}
	}
	if err := os.Remove(filepath.Join(root, "proc/cmdline")); err != nil {
		t.Fatal(err)
	}
	if _, err := MachineOf(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
