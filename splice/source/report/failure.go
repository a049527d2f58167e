package report

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/internal/web"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/patch"
	"github.com/gosplice/gosplice/splice/source/trial"
)

// A Failure is what ended the work before it came to a result: no compiler, a full disk, an
// interrupt. Its lists are never null.
type Failure struct {
	Stage string   `json:"stage"` // that it was in
	Text  string   `json:"text"`
	Done  []string `json:"done"` // the stages before it
	Left  []string `json:"left"` // those behind it, which nothing was done of
	Next  string   `json:"next"` // what to do
}

// NewFailure returns what an error is about that ended one of some stages, and what to do; nil without an error, or
// where there is no such stage.
func NewFailure(err error, stages []string, at int) *Failure {
	if err == nil || at < 0 || at >= len(stages) {
		return nil
	}
	return &Failure{
		Stage: stages[at], Text: err.Error(), Done: append([]string{}, stages[:at]...), Left: append([]string{}, stages[at+1:]...), Next: nextOf(err),
	}
}

// goesOn is what all advice ends with.
const goesOn = "; what was fetched and compiled is kept, so that the next run goes on from there"

// advice says what to do about errors, the first that fits.
var advice = []struct {
	fits func(error) bool
	text string
}{
	{is(context.Canceled), "it was interrupted: run the same again" + goesOn},
	{is(context.DeadlineExceeded), "its time was up: run the same again" + goesOn},
	{source.IsNoSpace, "free some space (mkupdate -clean=30d removes old sources and objects), or have the cache elsewhere (-cache DIR), and run the same again" + goesOn},
	{is(source.ErrCompiler), "install the compiler that the kernel was built with, or say where it is (-cc, -buildroot), and run the same again" + goesOn},
	{func(err error) bool {
		var missing *trial.MissingError
		return errors.Is(err, source.ErrMissing) || errors.As(err, &missing)
	}, "install what is missing, and run the same again" + goesOn},
	{func(err error) bool {
		var wrong *patch.ReadError
		return errors.As(err, &wrong)
	}, "mend that line, or take the patch as git format-patch, diff -u or quilt writes it"},
	{is(fs.ErrPermission), "have that file, or its folder, belong to who runs this, or name another"},
	{is(fs.ErrNotExist), "name a file that is there, and run the same again" + goesOn},
}

func is(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }

// nextOf says what to do about an error.
func nextOf(err error) string {
	for _, a := range advice {
		if a.fits(err) {
			return a.text
		}
	}
	return "mend what it says, and run the same again" + goesOn
}

// FailureText writes what is to be said of what ended the work beside its error: the stage,
// what was done, what not, and what to do; and where the page about it is, "" for none.
func FailureText(w io.Writer, f *Failure, page string, opt TextOptions) error {
	if f == nil {
		return nil
	}
	p := newPrinter(w, opt)
	p.line("error while %s", visible.Text(f.Stage))
	p.failureFacts(f)
	if page != "" {
		p.line("  report: %s", visible.Text(page))
	}
	return p.finish()
}

// failure writes what ended the work.
func (p *printer) failure(f *Failure) {
	if f == nil {
		return
	}
	p.line("%s while %s: %s", p.pen.Paint(visible.Red, "error"), visible.Text(f.Stage), visible.Text(f.Text))
	p.failureFacts(f)
}

func (p *printer) failureFacts(f *Failure) {
	for _, x := range f.facts(visible.Text) {
		p.line("  %s: %s", x.Name, x.Value)
	}
}

// facts are what a failure says beside its stage and its text. safe makes a text safe to look
// at.
func (f *Failure) facts(safe func(string) string) (list []fact) {
	for _, x := range []struct {
		name string
		list []string
	}{{"done", f.Done}, {"not done", f.Left}, {"what to do", []string{f.Next}}} {
		if len(x.list) > 0 {
			list = append(list, fact{x.name, safe(strings.Join(x.list, ", "))})
		}
	}
	return list
}

// failureFacts are those of a page, nil without a failure.
func failureFacts(f *Failure) []fact {
	if f == nil {
		return nil
	}
	return append([]fact{{"stage", web.Text(f.Stage)}, {"error", web.Text(f.Text)}}, f.facts(web.Text)...)
}
