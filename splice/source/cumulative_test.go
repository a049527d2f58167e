package source

import (
	"errors"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/ktree"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// TestBlameFiles blames what changes the file that a plan is refused for, and nothing else.
func TestBlameFiles(t *testing.T) {
	s := newSelection([]*patch.Patch{
		{Name: "a", Files: []patch.File{{Old: "fs/a.c", New: "fs/a.c"}}},
		{Name: "b", Files: []patch.File{{Old: "fs/Kconfig", New: "fs/Kconfig"}, {Old: "fs/b.c", New: "fs/b.c"}}},
	})
	out := map[int][]string{}
	s.blameFiles([]*finding.Refusal{refuse(CodeBuild, "CONFIG_A", "fs/Kconfig", "it is on"), refuse(CodeBuild, "CONFIG_B", "fs/Kconfig", "it is off")}, out)
	if len(out) != 1 || len(out[1]) != 2 {
		t.Errorf("%v", out)
	}
}

// TestConcerned finds the files by what a refusal names: an object, or a function of one.
func TestConcerned(t *testing.T) {
	object := func(file, post, function string) compared {
		return compared{compiled: &compiled{planned: &planned{because: []string{file}}, postFile: post}, result: ObjectResult{Changes: []Change{{Name: function}}}}
	}
	list := []compared{object("fs/a.c", "/cache/a.o", "one"), object("fs/b.c", "/cache/b.o", "two")}
	for _, c := range []struct{ symbol, section, want string }{
		{"nowhere", "/cache/b.o", "fs/b.c"}, {"one", "", "fs/a.c"}, {"two", ".text", "fs/b.c"}, {"three", "", ""},
	} {
		if got := strings.Join(concerned(refuse(CodeBuild, c.symbol, c.section, ""), list), " "); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.symbol, c.section, got, c.want)
		}
	}
}

// TestFirstRefused looks for every place in lists of every length, and for what is refused there
// alone.
func TestFirstRefused(t *testing.T) {
	texts := func(n, want int) (out []*finding.Refusal) {
		for i := want; i < n; i++ { // the first that is bad, and all behind it
			out = append(out, refuse(CodeBuild, "", "", "%d", i))
		}
		return out
	}
	for n := 1; n <= 20; n++ {
		for want := range n {
			asked := 0
			got, why, err := firstRefused(n, texts(n, want), func(with int) ([]*finding.Refusal, error) {
				asked++
				return texts(with, want), nil
			})
			if got != want || err != nil || asked > 5 || len(why) != 1 {
				t.Errorf("%d of %d: %d, %v, %v, asked %d times", want, n, got, why, err, asked)
			}
		}
	}
	failed := errors.New("failed")
	if _, _, err := firstRefused(3, nil, func(int) ([]*finding.Refusal, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}

// TestTake takes over what was found of an object before only where all of it is the same.
func TestTake(t *testing.T) {
	object := func(change func(*compared)) *compared {
		c := &compared{
			compiled: &compiled{planned: &planned{post: &ktree.Unit{Object: "fs/a.o", Module: "a", Modules: []string{"a"}}, because: []string{"fs/a.c"}}, preFile: "p", postFile: "q", pre: Compiled{Digest: "1"}, post: Compiled{Digest: "2"}},
			diff:     &elfdiff.Diff{}, pairs: []module.Pair{{}}, result: ObjectResult{Because: []string{"fs/a.c", "fs/a.h"}},
			refused: []*finding.Refusal{refuse(CodeBuild, "", "", "it")},
		}
		change(c)
		return c
	}
	for _, c := range []struct {
		name   string
		change func(*compared)
		want   bool
	}{
		{"the same", func(*compared) {}, true},
		{"another before", func(c *compared) { c.pre.Digest = "3" }, false},
		{"another after", func(c *compared) { c.post.Digest = "3" }, false},
		{"another file", func(c *compared) { c.postFile = "r" }, false},
		{"the same on both sides", func(c *compared) { c.pre.Digest, c.post.Digest = "1", "1" }, false},
		{"not compared", func(c *compared) { c.diff = nil }, false},
		{"did not compile", func(c *compared) { c.failed = finding.ErrRefused }, false},
		{"not affected", func(c *compared) { c.unaffected = "no" }, false},
		{"another module", func(c *compared) { c.unit().Module = "b" }, false},
		{"other modules", func(c *compared) { c.unit().Modules = nil }, false},
		{"special", func(c *compared) { c.unit().Special = "the vDSO" }, false},
	} {
		now := object(func(c *compared) { c.diff, c.pairs, c.result, c.refused = nil, nil, ObjectResult{}, nil })
		was := object(c.change)
		if got := now.take(was); got != c.want || got != now.known || got != (len(now.pairs) == 1) || got != (len(now.refused) == 1) {
			t.Errorf("%s: %v, %+v", c.name, got, now)
		}
		if c.want && strings.Join(now.result.Because, " ") != "fs/a.c" {
			t.Errorf("%s: because %v", c.name, now.result.Because)
		}
	}
	if object(func(*compared) {}).take(nil) {
		t.Error("taken from nothing")
	}
}

// TestNothingLeft tells that there is nothing to carry from that all of it is left out.
func TestNothingLeft(t *testing.T) {
	for _, c := range []struct {
		out           []int
		outcome, want Outcome
	}{
		{nil, OutcomeNoChange, OutcomeNoChange}, {nil, OutcomeIgnored, OutcomeIgnored},
		{[]int{0, 1}, OutcomeNoChange, OutcomeRefused}, {[]int{1}, OutcomeIgnored, OutcomeRefused}, {[]int{1}, OutcomeMade, OutcomeMade},
	} {
		s := newSelection([]*patch.Patch{{Name: "a"}, {Name: "b"}})
		r := &Result{Outcome: c.outcome}
		for _, i := range c.out {
			s.leaveOut(i, []string{"it can't be carried"})
		}
		for _, i := range s.in(nil) {
			r.Patches = append(r.Patches, resultOf(s.patches[i]))
		}
		if got := s.report(r); got.Outcome != c.want || len(got.Patches) != 2 {
			t.Errorf("%v left out of what is %s: %s, %d patches, want %s", c.out, c.outcome, got.Outcome, len(got.Patches), c.want)
		}
	}
}
