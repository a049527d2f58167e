package source

import (
	"errors"
	"maps"
	"slices"
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
		return compared{compiled: &compiled{planned: &planned{post: &ktree.Unit{Source: file}, because: []string{file, "fs/own.h"}}, postFile: post}, result: ObjectResult{Changes: []Change{{Name: function}}}}
	}
	list := []compared{object("fs/a.c", "/cache/a.o", "one"), object("fs/b.c", "/cache/b.o", "two")}
	for _, c := range []struct{ symbol, section, want string }{
		{"nowhere", "/cache/b.o", "fs/b.c"}, {"one", "", "fs/a.c"}, {"two", ".text", "fs/b.c"}, {"three", "", ""},
	} {
		files, sources := concerned(refuse(CodeBuild, c.symbol, c.section, ""), list)
		all := ""
		if c.want != "" {
			all = c.want + " fs/own.h"
		}
		if strings.Join(files, " ") != all || strings.Join(sources, " ") != c.want {
			t.Errorf("%s %s: %q, %q, want %q", c.symbol, c.section, files, sources, c.want)
		}
	}
}

// TestGuilty has own be at fault only where without it nothing is refused; headers are asked with none
// of their users in, which may need all of them.
func TestGuilty(t *testing.T) {
	for _, c := range []struct {
		name     string
		who, own []int
		bad      [][]int // what is refused when all of one are in
		want     int
		asked    int
	}{
		{"own alone", []int{3}, []int{3}, [][]int{{3}}, 3, 0},
		{"own of two", []int{3, 5}, []int{3}, [][]int{{3}}, 3, 1},
		{"own behind headers", []int{3, 5, 7}, []int{7}, [][]int{{7}}, 7, 1},
		{"own with a header", []int{3, 5, 7}, []int{7}, [][]int{{5, 7}}, 7, 1},
		{"a header", []int{3, 5, 7}, []int{7}, [][]int{{5}}, 5, 2},
		{"a header behind own", []int{3, 5, 7}, []int{3}, [][]int{{7}}, 7, 2},
		{"one of a series", []int{1, 2, 3, 5}, []int{1, 2, 3}, [][]int{{2}}, 2, 3},
		{"no own", []int{3, 5}, nil, [][]int{{5}}, 5, 1},
		{"a header behind its users", []int{1, 2, 3, 9}, nil, [][]int{{9, 2}}, 9, 2}, // without it, these do not compile
		{"nothing", nil, nil, [][]int{{}}, -1, 0},
	} {
		asked := 0
		refused := func(without []int) (out []*finding.Refusal, err error) {
			if slices.Contains(without, 9) && !slices.Contains(without, 2) {
				out = append(out, refuse(CodeCompile, "", "", "2 needs 9"))
			}
			for _, set := range c.bad {
				if !slices.ContainsFunc(set, func(i int) bool { return slices.Contains(without, i) }) {
					out = append(out, refuse(CodeBuild, "", "", "%v", set))
				}
			}
			return out, nil
		}
		all, _ := refused(nil)
		got, _, err := guilty(c.who, c.own, all, func(without []int) ([]*finding.Refusal, error) {
			asked++
			return refused(without)
		})
		if got != c.want || err != nil || asked != c.asked {
			t.Errorf("%s: %d, %v, asked %d times, want %d and %d", c.name, got, err, asked, c.want, c.asked)
		}
	}
	failed := errors.New("failed")
	if _, _, err := guilty([]int{1, 2}, []int{1}, nil, func([]int) ([]*finding.Refusal, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}

// TestBlameNamed blames the source of what is named, and a header with it only where it is the only patch.
func TestBlameNamed(t *testing.T) {
	list := []compared{}
	for _, file := range []string{"fs/a.c", "fs/b.c", "fs/c.c"} {
		list = append(list, compared{compiled: &compiled{planned: &planned{post: &ktree.Unit{Source: file}, because: []string{file, "fs/own.h"}}}, result: ObjectResult{Changes: []Change{{Name: file}}}})
	}
	file := func(name string) *patch.Patch {
		return &patch.Patch{Name: name, Files: []patch.File{{Old: name, New: name}}}
	}
	a, b := refuse(CodeBuild, "fs/a.c", "", "a"), refuse(CodeBuild, "fs/b.c", "", "b")
	for _, c := range []struct {
		name    string
		patches []*patch.Patch
		all     []*finding.Refusal
		still   []*finding.Refusal
		want    []int
	}{
		{"one patch each", []*patch.Patch{file("fs/a.c"), file("fs/b.c")}, []*finding.Refusal{a}, nil, []int{0}},
		{"sources", []*patch.Patch{file("fs/a.c"), file("fs/b.c"), file("fs/own.h")}, []*finding.Refusal{a, b}, nil, []int{0, 1}},
		{"one is refused without it too", []*patch.Patch{file("fs/a.c"), file("fs/b.c"), file("fs/own.h")}, []*finding.Refusal{a, b}, []*finding.Refusal{b}, []int{0}},
		{"the header alone changes it", []*patch.Patch{file("fs/b.c"), file("fs/own.h")}, []*finding.Refusal{a}, nil, []int{1}},
		{"the header is at fault", []*patch.Patch{file("fs/a.c"), file("fs/apart.c"), file("fs/own.h")}, []*finding.Refusal{a}, []*finding.Refusal{a}, []int{2}},
		{"nobody is named", []*patch.Patch{file("fs/a.c"), file("fs/own.h")}, []*finding.Refusal{refuse(CodeBuild, "other", "", "")}, nil, nil},
	} {
		out := map[int][]string{}
		err := newSelection(c.patches).blameNamed(c.all, list, func([]int) ([]*finding.Refusal, error) { return c.still, nil }, out)
		if got := slices.Sorted(maps.Keys(out)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
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
