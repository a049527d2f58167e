package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/trial"
)

// A Document is the report of one result. It comes back from JSON as it was, but for the
// bytes of the module, which are in a file of their own.
type Document struct {
	Schema int            `json:"schema"` // [Schema]
	Result *source.Result `json:"result"`
	Module File           `json:"module"` // that was written; its zero value when none was
	// Updates are the files with updates of programs and libraries that were written.
	Updates []UpdateFile `json:"updates,omitempty"`
	Page    string       `json:"page"` // name of the page beside it, "" when there is none
	// Began is when the work began; its zero value when that is not known.
	Began time.Time `json:"began,omitzero"`
	// Trial is what a guest showed, null when nobody tried it.
	Trial *trial.Report `json:"trial"`
	// Commands are those that were run, with their folders, in the order in which they
	// began: what they make can be made again by them.
	Commands []string `json:"commands"`
	// Failure is what ended the work before it came to a result, absent when nothing did.
	Failure *Failure `json:"failure,omitzero"`
}

// A File is one that was written.
type File struct {
	Name   string `json:"name"`   // without a folder: it is beside the report
	Size   int    `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hexadecimal
}

// given returns a document with a result: d, or an empty one.
func given(d *Document) *Document {
	switch {
	case d == nil:
		return New(new(source.Result))
	case d.Result == nil:
		out := *d
		out.Result = new(source.Result)
		return &out
	}
	return d
}

// New returns the document of a result. It shares the result.
func New(r *source.Result) *Document {
	return &Document{Schema: Schema, Result: r, Commands: []string{}}
}

// Timeless returns a copy without what another run of the same has otherwise: times, whether
// an object was kept, and the commands. Its JSON and its page are the same bytes each time.
func (d *Document) Timeless() *Document {
	if d.Result == nil {
		return d
	}
	out, r := *d, *d.Result
	out.Result, out.Began, out.Commands = &r, time.Time{}, []string{}
	r.Stages = slices.Clone(r.Stages)
	for i := range r.Stages {
		r.Stages[i].Elapsed = 0
	}
	r.Objects = slices.Clone(r.Objects)
	for i := range r.Objects {
		for _, c := range []*source.Compiled{&r.Objects[i].Pre, &r.Objects[i].Post} {
			c.Kept, c.Elapsed = false, 0
		}
	}
	if d.Trial != nil {
		t := *d.Trial
		t.Stages = slices.Clone(t.Stages)
		for i := range t.Stages {
			t.Stages[i].Elapsed = 0
		}
		t.Exercises = slices.Clone(t.Exercises)
		for i := range t.Exercises {
			t.Exercises[i].Elapsed = 0
		}
		out.Trial = &t
	}
	return &out
}

// Elapsed is how long all stages took together.
func (d *Document) Elapsed() time.Duration {
	var sum time.Duration
	if d.Result == nil {
		return sum
	}
	for _, s := range d.Result.Stages {
		sum += s.Elapsed
	}
	return sum
}

// WriteTo writes the document as indented JSON.
func (d *Document) WriteTo(w io.Writer) (int64, error) { return writeJSON(w, d) }

// counter counts what is written through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// writeJSON writes v indented, without escaping what only HTML needs escaped.
func writeJSON(w io.Writer, v any) (int64, error) {
	c := &counter{w: w}
	e := json.NewEncoder(c)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return c.n, err
}

// maxDocument bounds what is read, in bytes: a report of 10,000 objects has 20 MB.
const maxDocument = 256 << 20

// ErrNotReport is what [Read] says of JSON that is no report.
var ErrNotReport = errors.New("it is no report of an update")

// Read reads the JSON of a document. The error is [ErrNotReport] for another document, and
// says so for one whose form this version does not know.
func Read(r io.Reader) (*Document, error) {
	if r == nil {
		return nil, errors.New("read report: nothing is given")
	}
	b, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxDocument {
		return nil, fmt.Errorf("a report of more than %d bytes", maxDocument)
	}
	var head struct {
		Schema int             `json:"schema"`
		Result json.RawMessage `json:"result"`
	}
	if !json.Valid(b) {
		return nil, fmt.Errorf("it is not whole, or no JSON: %w", json.Unmarshal(b, &head))
	}
	if err := json.Unmarshal(b, &head); err != nil || len(head.Result) == 0 || head.Result[0] != '{' {
		return nil, ErrNotReport
	}
	if head.Schema != Schema {
		return nil, fmt.Errorf("a report of form %d; this version reads form %d", head.Schema, Schema)
	}
	d := &Document{}
	if err := json.Unmarshal(b, d); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return d, d.check()
}

// check makes lists of a document from elsewhere what they are in one of ours.
func (d *Document) check() error {
	if f := d.Failure; f != nil {
		f.Done, f.Left = append([]string{}, f.Done...), append([]string{}, f.Left...)
	}
	if d.Commands == nil {
		d.Commands = []string{}
	}
	if slices.Contains(d.Result.Refusals, nil) {
		return errors.New("report: a refusal that is null")
	}
	return nil
}
