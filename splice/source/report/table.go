package report

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/splice/source"
)

// A Table is many results, one a row, and the counts of what became of them.
type Table struct {
	Schema  int      `json:"schema"`  // [Schema]
	Kernels []string `json:"kernels"` // the releases that the updates are for
	Rows    []Row    `json:"rows"`
	// Outcomes counts rows by outcome, the best first; Codes counts rows by the codes of
	// refusals, the most frequent first.
	Outcomes []Count `json:"outcomes"`
	Codes    []Count `json:"codes"`
	Trials   []Count `json:"trials"` // rows by what their trial came to
	// Failure is what ended the work before all results were there, absent when nothing did.
	Failure *Failure `json:"failure,omitzero"`
}

// A Count is how many rows have something.
type Count struct {
	Word string `json:"word"`
	Rows int    `json:"rows"`
}

// A Row is one result of a [Table].
type Row struct {
	Name    string         `json:"name"` // of the module
	Outcome source.Outcome `json:"outcome"`
	// Patches are the files of the patches, Subject is that of the last, and CVEs are those
	// of all.
	Patches []string `json:"patches"`
	Subject string   `json:"subject"`
	CVEs    []string `json:"cves"`
	// Codes are those of the refusals, each once.
	Codes     []string      `json:"codes"`
	Objects   int           `json:"objects"`   // that were compiled
	Functions int           `json:"functions"` // that are replaced
	Targets   []string      `json:"targets"`   // that have a function replaced, or would have
	Elapsed   time.Duration `json:"elapsed"`   // nanoseconds
	Report    string        `json:"report"`    // its file, "" when it comes from none
	Page      string        `json:"page"`
	Module    string        `json:"module"`
	// Error says what went wrong: on the way, in its trial, or why its report can't be read.
	Error string `json:"error"`
	Trial string `json:"trial"` // [TrialPassed], [TrialFailed], or "" when nobody tried it
}

// What a trial came to.
const (
	TrialPassed = "passed"
	TrialFailed = "failed"
)

// RowOf returns the row of a document.
func RowOf(d *Document) Row {
	d = given(d)
	r := d.Result
	row := Row{
		Name: r.Name, Outcome: r.Outcome, Patches: []string{}, CVEs: []string{}, Codes: codes(r), Objects: len(r.Objects),
		Targets: []string{}, Elapsed: d.Elapsed(), Page: d.Page, Module: d.Module.Name,
	}
	for i := range r.Patches {
		p := &r.Patches[i]
		row.Patches = append(row.Patches, p.Name)
		row.Subject = p.Subject
		row.CVEs = append(row.CVEs, p.CVEs...)
	}
	for i := range r.Objects {
		if o := &r.Objects[i]; len(o.Changes) > 0 {
			row.Targets = append(row.Targets, target(o.Target))
		}
	}
	row.Functions = replaced(r)
	row.Trial, row.Error = trialWord(d), trialTrouble(d.Trial)
	if d.Failure != nil {
		row.Error = "while " + d.Failure.Stage + ": " + firstLine(d.Failure.Text)
	}
	row.Targets, row.CVEs = unique(row.Targets), unique(row.CVEs)
	return row
}

// codes are the codes of refusals, each once.
func codes(r *source.Result) []string {
	out := []string{}
	for _, x := range r.Refusals {
		out = append(out, string(x.Code))
	}
	return unique(out)
}

// unique sorts a list and has each text once.
func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// NewTable returns the table of some rows, in their order.
func NewTable(rows ...Row) *Table {
	t := &Table{Schema: Schema, Kernels: []string{}, Rows: append([]Row{}, rows...)}
	t.recount()
	return t
}

// Add adds the row of a document, where one is given.
func (t *Table) Add(d *Document) {
	if d == nil || d.Result == nil {
		return
	}
	if release := d.Result.Kernel.Release; release != "" && !slices.Contains(t.Kernels, release) {
		t.Kernels = append(t.Kernels, release)
		slices.Sort(t.Kernels)
	}
	t.Rows = append(t.Rows, RowOf(d))
	t.recount()
}

// rowOf returns the row of something without a document.
func rowOf(name string, o source.Outcome) Row {
	return Row{Name: name, Outcome: o, Patches: []string{}, CVEs: []string{}, Codes: []string{}, Targets: []string{}}
}

// Expect adds a row for each of the names that has none: of a machine that has left no
// report, or not yet.
func (t *Table) Expect(names ...string) {
	for _, name := range names {
		if !slices.ContainsFunc(t.Rows, func(r Row) bool { return r.Name == name }) {
			t.Rows = append(t.Rows, rowOf(name, OutcomeMissing))
		}
	}
	t.recount()
}

// recount counts outcomes and codes.
func (t *Table) recount() {
	n, by, tried := map[source.Outcome]int{}, map[string]int{}, map[string]int{}
	for i := range t.Rows {
		n[t.Rows[i].Outcome]++
		tried[t.Rows[i].Trial]++
		for _, c := range t.Rows[i].Codes {
			by[c]++
		}
	}
	t.Outcomes, t.Codes, t.Trials = []Count{}, []Count{}, []Count{}
	for _, word := range []string{TrialPassed, TrialFailed} {
		if tried[word] > 0 {
			t.Trials = append(t.Trials, Count{word, tried[word]})
		}
	}
	for _, o := range outcomes {
		if n[o] > 0 {
			t.Outcomes = append(t.Outcomes, Count{string(o), n[o]})
		}
	}
	for word, k := range by {
		t.Codes = append(t.Codes, Count{word, k})
	}
	slices.SortFunc(t.Codes, func(a, b Count) int {
		if a.Rows != b.Rows {
			return b.Rows - a.Rows
		}
		return strings.Compare(a.Word, b.Word)
	})
}

// Has counts the rows with one of some outcomes.
func (t *Table) Has(list ...source.Outcome) int {
	n := 0
	for i := range t.Rows {
		if slices.Contains(list, t.Rows[i].Outcome) {
			n++
		}
	}
	return n
}

// WriteTo writes the table as indented JSON.
func (t *Table) WriteTo(w io.Writer) (int64, error) { return writeJSON(w, t) }

// Collect reads the reports of a folder, NAME.json, whoever left them there. What is no
// report is passed over; one that can't be read is a row with [OutcomeError]. Rows are in the
// order of the names of the files. Nothing is written.
func Collect(dir string) (*Table, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	t := NewTable()
	for _, e := range list {
		if filepath.Ext(e.Name()) != ".json" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		d, err := readFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, ErrNotReport) || errors.Is(err, fs.ErrNotExist) { // of others, or gone by now
			continue
		}
		if err != nil {
			row := rowOf(strings.TrimSuffix(e.Name(), ".json"), OutcomeError)
			row.Error = err.Error()
			t.Rows = append(t.Rows, row)
			t.recount()
		} else {
			t.Add(d)
		}
		t.Rows[len(t.Rows)-1].Report = e.Name()
	}
	return t, nil
}

func readFile(name string) (*Document, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(f)
}
