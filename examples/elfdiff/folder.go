package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/cli"
	safe "github.com/gosplice/gosplice/internal/visible"
)

// outcomeError is the outcome of a pair that can't be read or compared.
const outcomeError elfdiff.Outcome = "error"

// outcomes lists the outcomes, those that a person has to look at first.
var outcomes = []elfdiff.Outcome{
	outcomeError, elfdiff.OutcomeRefused, elfdiff.OutcomeJudge,
	elfdiff.OutcomeCarried, elfdiff.OutcomeIgnored, elfdiff.OutcomeSame,
}

// pairResult is what became of one pair of objects.
type pairResult struct {
	Path  string `json:"path"` // in both folders
	Error string `json:"error,omitempty"`
	report

	pre, post string
	types     int // that matter to changed code, when there is a page
}

// runFolders compares the objects that have the same path in two folders.
func runFolders(opt options, w io.Writer, term cli.Terminal) (int, error) {
	pairs, alone, err := pairsOf(opt.pre, opt.post)
	if err != nil {
		return exitError, err
	}
	if len(pairs) == 0 {
		return exitError, fmt.Errorf("no object has the same path below %s and %s", opt.pre, opt.post)
	}
	// what is read of a pair is garbage as soon as it is compared: less of the time
	// goes into looking for it
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range pairs {
		g.Go(func() error { return pairs[i].compare(opt) })
	}
	if err := g.Wait(); err != nil {
		return exitError, err
	}
	slices.SortStableFunc(pairs, func(a, b pairResult) int {
		return cmp.Or(cmp.Compare(slices.Index(outcomes, a.Outcome), slices.Index(outcomes, b.Outcome)), cmp.Compare(a.Path, b.Path))
	})
	if opt.html != "" {
		if err := writePage(filepath.Join(opt.html, indexName), render("index", newIndex(opt, pairs, alone))); err != nil {
			return exitError, err
		}
	}
	if opt.json {
		err = cli.WriteJSON(w, map[string]any{"pairs": pairs, "alone": alone})
	} else {
		err = printFolders(w, pairs, alone, opt, term)
	}
	if err != nil {
		return exitError, err
	}
	return statusOfPairs(pairs)
}

// statusOfPairs is the gravest status of any pair.
func statusOfPairs(pairs []pairResult) (int, error) {
	failed := 0
	status := exitNoChange
	for i := range pairs {
		switch pairs[i].Outcome {
		case outcomeError:
			failed++
		case elfdiff.OutcomeRefused, elfdiff.OutcomeJudge:
			status = exitRefused
		case elfdiff.OutcomeCarried:
			if status == exitNoChange {
				status = exitChanged
			}
		}
	}
	if failed > 0 {
		return exitError, fmt.Errorf("%s could not be compared", plural(failed, "pair"))
	}
	return status, nil
}

// pairsOf finds the objects below two folders. Those that only one has are
// listed apart.
func pairsOf(pre, post string) (pairs []pairResult, alone []string, err error) {
	a, err := objectsBelow(pre)
	if err != nil {
		return nil, nil, err
	}
	b, err := objectsBelow(post)
	if err != nil {
		return nil, nil, err
	}
	alone = []string{}
	for _, name := range a {
		if _, ok := slices.BinarySearch(b, name); !ok {
			alone = append(alone, filepath.Join(pre, name))
			continue
		}
		pairs = append(pairs, pairResult{Path: name, pre: filepath.Join(pre, name), post: filepath.Join(post, name)})
	}
	for _, name := range b {
		if _, ok := slices.BinarySearch(a, name); !ok {
			alone = append(alone, filepath.Join(post, name))
		}
	}
	return pairs, alone, nil
}

// objectsBelow lists the paths of the objects below a folder, sorted.
func objectsBelow(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(name, ".o") {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		out = append(out, rel)
		return err
	})
	slices.Sort(out)
	return out, err
}

// compare compares a pair, and writes its page. What is wrong with the objects
// is an outcome; the error is about what can't be written.
func (r *pairResult) compare(opt options) error {
	d, err := compareFiles(r.pre, r.post, opt)
	if err != nil {
		r.Error = err.Error()
		r.report = report{Outcome: outcomeError, Functions: []verdict{}, Data: []verdict{}, Findings: []elfdiff.Finding{}, Refusals: []elfdiff.Refusal{}, SetAside: []aside{}}
		return nil
	}
	defer d.Pre.Close()
	defer d.Post.Close()
	r.report = reportOf(d, opt)
	if opt.html == "" {
		return nil
	}
	name := filepath.Join(opt.html, r.Path+pageSuffix)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	opt.up = strings.Repeat("../", strings.Count(filepath.ToSlash(r.Path), "/")) + indexName
	g := newPage(d, opt).page()
	r.types = len(g.Types)
	return writePage(name, render("page", g), opt.pre, opt.post)
}

// isFolder reports whether both paths are folders; one alone is an error.
func isFolder(pre, post string) (bool, error) {
	var dir [2]bool
	for i, name := range [2]string{pre, post} {
		st, err := os.Stat(name)
		if err != nil {
			return false, err
		}
		dir[i] = st.IsDir()
	}
	if dir[0] != dir[1] {
		return false, errors.New("a folder can be compared with a folder only")
	}
	return dir[0], nil
}

// printFolders writes a line for each pair in which something differs, and how
// many there are of each outcome.
func printFolders(w io.Writer, pairs []pairResult, alone []string, opt options, term cli.Terminal) error {
	n := map[elfdiff.Outcome]int{}
	var b strings.Builder
	for i := range pairs {
		r := &pairs[i]
		n[r.Outcome]++
		if r.Outcome == elfdiff.OutcomeSame && !opt.all {
			continue
		}
		fmt.Fprintf(&b, "%s %s  %s\n", term.Paint(outcomeStyles[r.Outcome], fmt.Sprintf("%-8s", r.Outcome)), safe.Text(r.Path), r.summary())
	}
	for _, name := range alone {
		fmt.Fprintf(&b, "%-8s %s\n", "alone", safe.Text(name))
	}
	fmt.Fprintf(&b, "\n%s: ", plural(len(pairs), "pair"))
	var parts []string
	for _, o := range outcomes {
		if n[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[o], o))
		}
	}
	b.WriteString(strings.Join(parts, ", ") + "\n")
	if opt.html != "" {
		fmt.Fprintf(&b, "%s\n", filepath.Join(opt.html, indexName))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var outcomeStyles = map[elfdiff.Outcome]cli.Style{
	outcomeError: cli.Red, elfdiff.OutcomeRefused: cli.Red, elfdiff.OutcomeJudge: cli.Yellow, elfdiff.OutcomeCarried: cli.Green,
}

// summary says in some words what was found.
func (r *pairResult) summary() string {
	if r.Error != "" {
		return r.Error
	}
	parts := r.codes()
	if names := r.names(4); len(names) > 0 {
		parts = append(parts, strings.Join(names, " "))
	}
	return strings.Join(parts, ": ")
}

// codes lists the codes of what can't be carried, each once, and the number of
// types to judge.
func (r *pairResult) codes() []string {
	var out []string
	for i := range r.Refusals {
		if c := string(r.Refusals[i].Code); !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	isType := func(code string) bool { return strings.HasPrefix(code, "type-") }
	if r.types > 0 && !slices.ContainsFunc(out, isType) {
		out = append(out, plural(r.types, "type"))
	}
	return out
}

// names lists what changed, and how many more there are.
func (r *pairResult) names(most int) []string {
	var out []string
	more := 0
	for _, list := range [][]verdict{r.Functions, r.Data} {
		for i := range list {
			switch v := &list[i]; {
			case v.Status == elfdiff.Same:
			case len(out) >= most:
				more++
			default:
				out = append(out, sign(v.Status)+v.Name)
			}
		}
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// sign tells what is new and what is gone from what changed.
func sign(s elfdiff.Status) string {
	return map[elfdiff.Status]string{elfdiff.New: "+", elfdiff.Removed: "-"}[s]
}
