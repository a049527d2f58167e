package machine

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/internal/words"
	"github.com/gosplice/gosplice/splice"
)

// Schema is the version of the JSON of a [Report]. Keys may be added to a version.
const Schema = 1

// Outcome is what became of one process.
type Outcome string

// The outcomes. Only of Applied, Already, Ready and Proven can it be said that the process
// runs the new code, or would.
const (
	Applied    Outcome = "applied"         // the new code runs, since now
	Already    Outcome = "already-applied" // it ran before: applied earlier, or inherited by fork
	Ready      Outcome = "ready"           // a dry run: nothing is seen that would keep it from being applied
	Reverted   Outcome = "reverted"        // the old code runs again
	Holds      Outcome = "holds"           // status: it holds updates, which Updates has
	Proven     Outcome = "proven"          // verify: memory is what the record and the update say
	Differs    Outcome = "differs"         // verify: it is not, or the update is not in use
	NotApplied Outcome = "not-applied"     // verify: it runs the old code
	Refused    Outcome = "refused"         // nothing was changed; Refusals say why
	Failed     Outcome = "failed"          // an error that is no refusal; Why has it
	Gone       Outcome = "gone"            // it ended meanwhile, or lost the update that was to be taken back
	LeftOut    Outcome = "left-out"        // it maps what the update is for, and was not selected
	OtherCopy  Outcome = "other-build"     // it maps the same program or library of another build
)

// fine are the outcomes that are as they were asked for.
var fine = map[Outcome]bool{Applied: true, Already: true, Ready: true, Reverted: true, Holds: true, Proven: true, Gone: true, LeftOut: true, OtherCopy: true}

// A Process is one process, and what became of it.
type Process struct {
	PID       int     `json:"pid"`       // in the PID namespace of the tool
	Command   string  `json:"command"`   // its name, up to 15 bytes
	Unit      string  `json:"unit"`      // the unit of systemd that it is in, "" for none
	Container string  `json:"container"` // the container that it is in, "" for none
	Outcome   Outcome `json:"outcome"`
	Why       string  `json:"why"` // one line; "" where the outcome says all
	// Refusals say why it was refused, each with a code and a hint.
	Refusals []*splice.Refusal `json:"refusals"`
	// Updates are what was done to it, or what it holds.
	Updates []splice.Report `json:"updates"`
}

// MarshalJSON writes lists that are never null.
func (p Process) MarshalJSON() ([]byte, error) {
	type plain Process
	q := plain(p)
	q.Refusals, q.Updates = append([]*splice.Refusal{}, p.Refusals...), append([]splice.Report{}, p.Updates...)
	return json.Marshal(q)
}

// A Report says what became of the processes of a machine.
type Report struct {
	Schema    int       `json:"schema"` // [Schema]
	Did       string    `json:"did"`    // "apply", "plan", "revert", "status" or "verify"
	Name      string    `json:"name"`   // of the update; "" for status
	ID        string    `json:"id"`
	Processes []Process `json:"processes"` // by PID
	// Scans is how often all processes were looked at.
	Scans int `json:"scans"`
	// Settled says that the last scans found nobody with old code but those that
	// Processes has. It is false when processes came faster than they were served.
	Settled bool `json:"settled"`
	// Unseen is how many of the selected processes the kernel did not let us look at: whether
	// they map what the update is for is not known.
	Unseen int           `json:"unseen"`
	Took   time.Duration `json:"took_ns"` // JSON has it in nanoseconds
}

// MarshalJSON writes a list that is never null.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	q := plain(r)
	q.Processes = append([]Process{}, r.Processes...)
	return json.Marshal(q)
}

// Count returns how many processes have an outcome.
func (r *Report) Count(o Outcome) int {
	n := 0
	for i := range r.Processes {
		if r.Processes[i].Outcome == o {
			n++
		}
	}
	return n
}

// Fine reports whether all processes that were selected are as was asked, and all could be
// looked at. What maps another build, and what was not selected, was not asked for.
func (r *Report) Fine() bool {
	for i := range r.Processes {
		if !fine[r.Processes[i].Outcome] {
			return false
		}
	}
	return r.Settled && r.Unseen == 0
}

// Lines writes a line for each process for people, with what stands in the way.
func (r *Report) Lines(w io.Writer) error {
	var b strings.Builder
	for i := range r.Processes {
		r.Processes[i].text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Text writes the report for people: its lines, and one with the counts.
func (r *Report) Text(w io.Writer) error {
	if err := r.Lines(w); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s", r.Did)
	if r.Name != "" {
		fmt.Fprintf(&b, " %s %.12s", visible.Text(r.Name), visible.Text(r.ID))
	}
	fmt.Fprintf(&b, ": %s; %s in %d ms", r.counts(), words.Count(r.Scans, "scan"), r.Took.Milliseconds())
	if !r.Settled {
		b.WriteString("; not settled: processes with old code kept coming")
	}
	if r.Unseen > 0 {
		fmt.Fprintf(&b, "; %s could not be looked at, for want of the right to trace", words.Count(r.Unseen, "process"))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *Process) text(b *strings.Builder) {
	where := ""
	switch {
	case p.Container != "":
		where = fmt.Sprintf(" in container %.12s", visible.Text(p.Container))
	case p.Unit != "":
		where = " of " + visible.Text(p.Unit)
	}
	fmt.Fprintf(b, "%-15s  %7d %s%s", p.Outcome, p.PID, visible.Text(p.Command), where)
	if p.Why != "" && len(p.Refusals) == 0 && !p.tellsKept() {
		fmt.Fprintf(b, ": %s", visible.Text(p.Why))
	}
	b.WriteByte('\n')
	for _, x := range p.Refusals {
		fmt.Fprintf(b, "%17s%s: %s\n%17s  %s\n", "", x.Code, visible.Text(x.Text()), "", visible.Text(x.Hint))
	}
	for i := range p.Updates {
		u := &p.Updates[i]
		switch {
		case p.Outcome == Holds:
			fmt.Fprintf(b, "%17s%s %.12s %s, %s\n", "", visible.Text(u.Name), visible.Text(u.ID), u.State, words.Count(len(u.Redirects), "function"))
		case u.Kept != "":
			fmt.Fprintf(b, "%17sits memory stays: %s; the old code runs, and reverting it again looks again\n", "", visible.Text(u.Kept))
		}
	}
}

// tellsKept reports whether Why is what is said of an update whose memory stays.
func (p *Process) tellsKept() bool {
	return p.Outcome != Holds && slices.ContainsFunc(p.Updates, func(u splice.Report) bool { return u.Kept != "" && u.Kept == p.Why })
}

// order is that of the counts.
var order = []Outcome{Applied, Already, Ready, Reverted, Holds, Proven, NotApplied, Differs, Refused, Failed, Gone, OtherCopy, LeftOut}

func (r *Report) counts() string {
	var parts []string
	for _, o := range order {
		if n := r.Count(o); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	if len(parts) == 0 {
		return "no process"
	}
	return strings.Join(parts, ", ")
}
