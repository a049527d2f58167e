package report

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/progress"
)

// OutcomeError is the outcome of a pair that can't be read or compared.
const OutcomeError elfdiff.Outcome = "error"

// outcomes lists the outcomes, those that a person has to look at first.
var outcomes = []elfdiff.Outcome{
	OutcomeError, elfdiff.OutcomeRefused, elfdiff.OutcomeJudge,
	elfdiff.OutcomeCarried, elfdiff.OutcomeIgnored, elfdiff.OutcomeSame,
}

// FolderOptions say how the objects of two folders are compared.
type FolderOptions struct {
	// Compare compares a pair of objects by their paths; nil opens both, and compares
	// them with no options. It is called from several goroutines.
	Compare func(ctx context.Context, pre, post string) (*elfdiff.Diff, error)
	// JSON says what the documents of the pairs have.
	JSON JSONOptions
	// Pages is a folder into which a page for each pair is written, by its path, and
	// [IndexName]; "" for none. HTML says what the pages are like.
	Pages string
	HTML  HTMLOptions
	// Progress, when set, is told of every pair that was compared, in the stage
	// "compare". Calls do not overlap.
	Progress func(stage string, done, total int)
}

// Folders is what became of the objects of two folders, with the version
// [Schema] in JSON.
type Folders struct {
	Schema int      `json:"schema"`
	Alone  []string `json:"alone"` // objects that only one folder has
	// Pairs are the objects that have the same path in both folders, those first
	// that a person has to look at.
	Pairs []Pair `json:"pairs"`

	pre, post string
}

// Pair is what became of one pair of objects.
type Pair struct {
	Path  string `json:"path"` // in both folders
	Error string `json:"error,omitempty"`
	Diff

	pre, post string
	types     int // that matter to changed code, when there is a page
}

// CompareFolders compares the objects (*.o) that have the same path in two folders, on
// all processors. An object that can't be read or compared is an outcome of its pair;
// the error is about folders, and pages that can't be written.
func CompareFolders(ctx context.Context, pre, post string, opt FolderOptions) (*Folders, error) {
	pairs, alone, err := pairsOf(pre, post)
	if err != nil {
		return nil, err
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("no object has the same path below %s and %s", pre, post)
	}
	f := &Folders{Schema, alone, pairs, pre, post}
	if err := f.compare(ctx, &opt); err != nil {
		return nil, err
	}
	slices.SortStableFunc(f.Pairs, func(a, b Pair) int {
		return cmp.Or(cmp.Compare(slices.Index(outcomes, a.Outcome), slices.Index(outcomes, b.Outcome)), cmp.Compare(a.Path, b.Path))
	})
	if opt.Pages == "" {
		return f, nil
	}
	return f, f.writeIndex(opt.Pages)
}

func (f *Folders) compare(ctx context.Context, opt *FolderOptions) error {
	count := progress.Func(opt.Progress).Begin("compare", len(f.Pairs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range f.Pairs {
		g.Go(func() error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			defer count.Done()
			return f.Pairs[i].compare(ctx, opt)
		})
	}
	return g.Wait()
}

// compare compares a pair, and writes its page. What is wrong with the objects
// is an outcome; the error is about what can't be written.
func (r *Pair) compare(ctx context.Context, opt *FolderOptions) error {
	compare := opt.Compare
	if compare == nil {
		compare = compareFiles
	}
	d, err := compare(ctx, r.pre, r.post)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		r.Error = err.Error()
		r.Diff = Diff{Outcome: OutcomeError, Functions: []Change{}, Data: []Change{}, Findings: []elfdiff.Finding{}, Refusals: []elfdiff.Refusal{}, SetAside: []elfdiff.Aside{}}
		return nil
	}
	defer d.Pre.Close()
	defer d.Post.Close()
	r.Diff = *New(d, opt.JSON)
	r.Schema = 0 // that of the folders says it
	if opt.Pages == "" {
		return nil
	}
	return r.writePage(d, opt)
}

func compareFiles(ctx context.Context, preName, postName string) (*elfdiff.Diff, error) {
	pre, err := elfdiff.Open(preName)
	if err != nil {
		return nil, err
	}
	post, err := elfdiff.Open(postName)
	if err != nil {
		return nil, err
	}
	return elfdiff.CompareContext(ctx, pre, post, elfdiff.Options{})
}

func (r *Pair) writePage(d *elfdiff.Diff, opt *FolderOptions) error {
	name := filepath.Join(opt.Pages, r.Path+pageSuffix)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	html := opt.HTML
	html.Index = strings.Repeat("../", strings.Count(filepath.ToSlash(r.Path), "/")) + IndexName
	page, err := NewPage(d, html)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	r.types = page.Types
	return files.Write(name, page, r.pre, r.post)
}

func (f *Folders) writeIndex(dir string) error {
	name := filepath.Join(dir, IndexName)
	text, err := render("index", newIndex(f))
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return files.Write(name, &Page{text: text})
}

// Outcome is the gravest outcome of any pair, [OutcomeError] where there is none.
func (f *Folders) Outcome() elfdiff.Outcome {
	if len(f.Pairs) == 0 {
		return OutcomeError
	}
	return f.Pairs[0].Outcome
}

// Failed counts the pairs that could not be read or compared.
func (f *Folders) Failed() int {
	n := 0
	for n < len(f.Pairs) && f.Pairs[n].Outcome == OutcomeError {
		n++
	}
	return n
}

// JSON writes the document.
func (f *Folders) JSON(w io.Writer) error { return write(w, f) }
