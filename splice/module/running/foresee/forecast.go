package foresee

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
	"github.com/gosplice/gosplice/splice/module/running"
)

// Schema is the version of the JSON of a [Forecast]. Keys may be added to a version.
const Schema = 1

// An Effect is what would come of loading a livepatch.
type Effect string

// The effects, from the best to the worst.
const (
	Note    Effect = "loads"   // it loads, and the transition ends within seconds
	Waits   Effect = "waits"   // it loads, and the transition may go on until livepatch wakes tasks, which it does every 15 seconds
	Unknown Effect = "unknown" // it can't be known
	Stalls  Effect = "stalls"  // it loads, and the transition does not end while things are as they are
	Refused Effect = "refused" // the kernel does not load it
)

// order is that of the effects.
var order = []Effect{Note, Waits, Unknown, Stalls, Refused}

// A Forecast says what would happen.
type Forecast struct {
	Schema  int    `json:"schema"` // [Schema]
	Name    string `json:"name"`   // of the module
	ID      string `json:"id"`     // "" where others than package module made it
	Outcome Effect `json:"outcome"`
	// Functions are what it replaces; never null.
	Functions []Function `json:"functions"`
	// Findings are what is to be known, the worst first; never null.
	Findings []Finding `json:"findings"`
	// Tasks is how many tasks were looked at, and Looks how often.
	Tasks int           `json:"tasks"`
	Looks int           `json:"looks"`
	Took  time.Duration `json:"took_ns"`
}

// A Function is one that the livepatch replaces.
type Function struct {
	Name     string `json:"name"`
	Module   string `json:"module"`   // that it is in, "" for the kernel itself
	Position uint64 `json:"position"` // among those of its name, from 1; 0 when there is one
	Method   string `json:"method"`   // as module.Function has it
}

// A Finding is something to know about the load.
type Finding struct {
	Code     finding.Code `json:"code"`
	Effect   Effect       `json:"effect"` // that it alone would have
	Function string       `json:"function"`
	Module   string       `json:"module"` // that the function is in, or that it is about
	Who      []string     `json:"who"`    // the names of tasks, tracers, probes, livepatches; never null
	Message  string       `json:"message"`
	Hint     string       `json:"hint"` // what helps
}

// String returns the finding on one line.
func (f *Finding) String() string {
	s := fmt.Sprintf("%s %s", f.Effect, f.Code)
	if f.Function != "" {
		s += " " + f.Function
	}
	return s + ": " + f.Message
}

// Options say how to look.
type Options struct {
	// Sample is for how long tasks are looked at; 0 is a second. They are looked at twice at least.
	Sample time.Duration
	// Every is the time between two looks; 0 is 50 ms.
	Every time.Duration
}

// Check foretells. root has proc and sys of the machine, as os.DirFS("/") has. An error is that of
// the context, or of a file that makes no sense; what can't be read of the machine is a finding.
func Check(ctx context.Context, root fs.FS, f *running.File, o Options) (*Forecast, error) {
	if root == nil || f == nil {
		return nil, errors.New("foresee: no files of a machine are given, or no update")
	}
	start := time.Now()
	c := &checker{root: root, file: f, opt: o, out: &Forecast{Schema: Schema, Name: f.Name, ID: f.ID(), Functions: []Function{}, Findings: []Finding{}}}
	ko, err := kofile.Parse(f.Bytes())
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", f.Name, err)
	}
	c.ko = ko
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("check %s: %w", f.Name, err)
		}
		if err := step(c, ctx); err != nil {
			return nil, fmt.Errorf("check %s: %w", f.Name, err)
		}
	}
	c.finish()
	c.out.Took = time.Since(start)
	return c.out, nil
}

// steps are what is looked at, in the order in which the kernel would meet it.
var steps = []func(*checker, context.Context) error{
	(*checker).kernel, (*checker).rights, (*checker).signature, (*checker).memory, (*checker).depends,
	(*checker).functions, (*checker).livepatches, (*checker).symbols, (*checker).states, (*checker).probes, (*checker).tracers, (*checker).bytes, (*checker).tasks,
}

// A checker is a check under way.
type checker struct {
	root fs.FS
	file *running.File
	ko   *kofile.File
	opt  Options
	out  *Forecast

	replace bool                // it takes the place of all others
	others  map[function]string // functions that other livepatches replace, by the last of these
	at      map[string]uint64   // addresses of what the kernel exports and checks refer to
	names   map[function]int    // how many symbols there are of a function's name
	bpf     []string            // BPF programs that the kernel has
	probed  []probe             // kprobes that are armed
}

// A function is one as the kernel names it.
type function struct{ name, module string }

func (f *Function) key() function { return function{f.Name, f.Module} }

// add reports something.
func (c *checker) add(f Finding) {
	if f.Who == nil {
		f.Who = []string{}
	}
	if f.Hint == "" {
		f.Hint = hints[f.Code]
	}
	c.out.Findings = append(c.out.Findings, f)
}

// finish sorts what was found, and says what comes of all of it.
func (c *checker) finish() {
	slices.SortStableFunc(c.out.Findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(order, b.Effect), slices.Index(order, a.Effect))
	})
	c.out.Outcome = Note
	if len(c.out.Findings) > 0 {
		c.out.Outcome = c.out.Findings[0].Effect
	}
}
