package elfdiff

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/symname"
)

// TestCases compiles every fixture with every set of options. The part
// "expect" lists all that is not the same, one a line, as
//
//	changed NAME        a function
//	changed-data NAME   a data object, likewise new-data, removed-data
//	refused CODE NAME
//	finding CODE NAME
//
// followed by conditions in brackets, such as [O0,!sections], and by a
// question mark where the compiler may decide. Numbers that compilers add to
// names are left out. Findings that are not mentioned are not looked at;
// anything else that is not mentioned is a failure.
func TestCases(t *testing.T) {
	testenv.Need(t, "gcc")
	for n, f := range readFixtures(t) {
		all := slices.DeleteFunc(builds(), func(b build) bool { return skip(f, b) })
		for _, b := range testenv.Sample(n, all) {
			t.Run(f.name+"/"+b.String(), func(t *testing.T) {
				t.Parallel()
				testCase(t, f, b)
			})
		}
	}
}

// skip reports whether the part "only" rules the build out.
func skip(f fixture, b build) bool {
	for _, cond := range strings.Fields(f.parts["only"]) {
		if !b.has(cond) {
			return true
		}
	}
	return false
}

func testCase(t *testing.T, f fixture, b build) {
	dir := t.TempDir()
	b.flags = append(slices.Clone(b.flags), strings.Fields(f.parts["flags"])...)
	var obj [2]string
	for i, side := range []string{"pre", "post"} {
		name, text := f.source(t, side)
		// both are called the same, unless the fixture says that a rename matters
		file := "unit" + filepath.Ext(name)
		if f.parts["renamed"] != "" {
			file = name
		}
		obj[i] = b.compile(t, filepath.Join(dir, side), file, text)
	}
	d := mustCompare(t, obj[0], obj[1])
	checkExpectations(t, f, b, d)
	checkOracle(t, d, obj[0], obj[1])
	checkExtract(t, d, dir)
	checkJSON(t, d)
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range list {
			checkListing(t, d, &list[i])
		}
	}
}

// verdicts lists what is not the same in the words of the fixtures.
func verdicts(d *Diff) []string {
	var got []string
	add := func(format string, args ...any) {
		if s := strings.TrimSpace(fmt.Sprintf(format, args...)); !slices.Contains(got, s) {
			got = append(got, s)
		}
	}
	for i := range d.Functions {
		ch := &d.Functions[i]
		_, cold := symname.ColdParent(ch.Name)
		if ch.Status != verdict.Same && !cold {
			add("%s %s", ch.Status, symname.Stem(ch.Name))
		}
	}
	for _, ch := range d.Data {
		if ch.Status != verdict.Same {
			add("%s-data %s", ch.Status, symname.Stem(ch.Name))
		}
	}
	for _, r := range d.Refusals {
		add("refused %s %s", r.Code, symname.Stem(r.Symbol))
	}
	for _, r := range d.Findings {
		add("finding %s %s", r.Code, symname.Stem(r.Symbol))
	}
	return got
}

func checkExpectations(t *testing.T, f fixture, b build, d *Diff) {
	t.Helper()
	got := verdicts(d)
	known := map[string]bool{}
	for line := range strings.Lines(f.parts["expect"]) {
		want, conds, _ := strings.Cut(strings.TrimSpace(line), " [")
		want, optional := strings.CutSuffix(strings.TrimSpace(want), "?")
		want = strings.TrimSpace(want) // what has no name
		conds = strings.TrimSuffix(conds, "]")
		if want == "" || strings.HasPrefix(want, "#") {
			continue
		}
		if conds != "" && slices.ContainsFunc(strings.Split(conds, ","), func(c string) bool { return !b.has(c) }) {
			continue
		}
		known[want] = true
		if !optional && !slices.Contains(got, want) {
			t.Errorf("missing: %s", want)
		}
	}
	for _, g := range got {
		if !known[g] && !strings.HasPrefix(g, "finding ") {
			t.Errorf("not expected: %s", g)
		}
	}
	if t.Failed() {
		t.Logf("report:\n%s", report(d))
	}
	for _, r := range d.Refusals {
		if r.Hint == "" || r.Message == "" || r.Section == "" {
			t.Errorf("refusal without hint, message or place: %+v", r)
		}
	}
}

// checkListing demands that the rows of a listing are complete and in order.
func checkListing(t *testing.T, d *Diff, ch *verdict.Change) {
	t.Helper()
	if ch.Status == verdict.Same {
		return
	}
	var last [2]uint64
	for i, l := range ListingOf(d, ch) {
		for s, off := range [2]uint64{l.PreOffset, l.PostOffset} {
			if l.Mark == "<" && s == 1 || l.Mark == ">" && s == 0 {
				continue
			}
			if off < last[s] || off == last[s] && i > 0 && off > 0 {
				t.Errorf("%s: listing goes back to %#x", ch.Name, off)
			}
			last[s] = off
		}
	}
}
