package fixes

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/internal/words"
	"github.com/gosplice/gosplice/splice/module/running/fixes"
)

// A Report says what the processes of a machine have of fixes. The version of its JSON is that of
// fixes.Report, of which it has the words and the form of a fix.
type Report struct {
	Schema int `json:"schema"` // fixes.Schema
	// Fixes are all, in the order in which they were given, each once: fixed when all processes
	// that are concerned have it, not fixed when one has not. The functions are those of the
	// processes.
	Fixes     []fixes.Fix `json:"fixes"`
	Processes []Process   `json:"processes"` // that are concerned, by PID
	// Unseen is how many of the selected processes the kernel did not let us look at.
	Unseen int `json:"unseen"`
}

// A Process is one process, with the fixes that concern it.
type Process struct {
	PID       int         `json:"pid"`
	Command   string      `json:"command"`   // its name, up to 15 bytes
	Unit      string      `json:"unit"`      // the unit of systemd that it is in, "" for none
	Container string      `json:"container"` // the container that it is in, "" for none
	Fixes     []fixes.Fix `json:"fixes"`
}

// MarshalJSON writes lists that are never null.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	p := plain(r)
	p.Fixes, p.Processes = append([]fixes.Fix{}, r.Fixes...), append([]Process{}, r.Processes...)
	return json.Marshal(p)
}

// Count returns how many fixes are in a state, over all processes.
func (r *Report) Count(s fixes.State) int {
	n := 0
	for i := range r.Fixes {
		if r.Fixes[i].State == s {
			n++
		}
	}
	return n
}

// Text writes the report for people: a line for each fix, and one for each process that is not
// as the fix has it.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	for i := range r.Fixes {
		f := &r.Fixes[i]
		fmt.Fprintf(&b, "%-9s  %-16s  %s\n", f.State, visible.Text(f.Name), visible.Text(f.Why))
		for k := range r.Processes {
			r.Processes[k].text(&b, f.Name)
		}
	}
	fmt.Fprintf(&b, "%d fixed, %d not fixed, %d undecided", r.Count(fixes.Fixed), r.Count(fixes.NotFixed), r.Count(fixes.Undecided))
	if r.Unseen > 0 {
		fmt.Fprintf(&b, "; %s could not be looked at, for want of the right to trace", words.Count(r.Unseen, "process"))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *Process) text(b *strings.Builder, fix string) {
	for i := range p.Fixes {
		f := &p.Fixes[i]
		if f.Name != fix || f.State == fixes.Fixed {
			continue
		}
		where := ""
		switch {
		case p.Container != "":
			where = fmt.Sprintf(" in container %.12s", visible.Text(p.Container))
		case p.Unit != "":
			where = " of " + visible.Text(p.Unit)
		}
		fmt.Fprintf(b, "           %-9s  %d %s%s: %s\n", f.State, p.PID, visible.Text(p.Command), where, visible.Text(f.Why))
		for k := range f.Functions {
			if x := &f.Functions[k]; x.Why != "" {
				fmt.Fprintf(b, "                      %s of %s: %s\n", visible.Text(x.Name), visible.Text(x.Module), visible.Text(x.Why))
			}
		}
	}
}
