package fixes

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
)

// Schema is the version of the JSON of a [Report]. Keys may be added to a version.
const Schema = 1

// State is what was found out about a fix.
type State string

// The states of fixes.
const (
	Fixed     State = "fixed"     // all code that it changes runs with the change
	NotFixed  State = "not-fixed" // code that it changes runs without the change
	Undecided State = "undecided" // neither can be seen
)

// Runs is what code of a function runs.
type Runs string

// What runs.
const (
	Pre    Runs = "pre"    // that without the change
	Post   Runs = "post"   // that with the change
	Other  Runs = "other"  // neither: other code, or damaged
	Either Runs = "either" // both are the same but for what can't be compared
	Absent Runs = "absent" // none: its module is not loaded
)

// A Report says what a kernel has of fixes.
type Report struct {
	Schema int    `json:"schema"` // [Schema]
	Kernel string `json:"kernel"` // build-id of the kernel that runs, hexadecimal
	Fixes  []Fix  `json:"fixes"`  // in the order in which they were given, each once
}

// A Fix is one, with what says so.
type Fix struct {
	Name      string     `json:"name"`
	State     State      `json:"state"`
	Why       string     `json:"why"`     // one line
	Updates   []string   `json:"updates"` // the sources that have it, by name
	Functions []Function `json:"functions"`
}

// A Function is one that a fix changes.
type Function struct {
	Name    string `json:"name"`    // without the change; of a new one the name with it
	Object  string `json:"object"`  // source that it was compiled from, as the compiler has it
	Module  string `json:"module"`  // that it is in, "" for the kernel itself
	Runs    Runs   `json:"runs"`    // the code that calls of it lead to
	In      string `json:"in"`      // the module with the code that runs: "vmlinux", or of a livepatch
	Address uint64 `json:"address"` // run address of that; 0 when not known
	Update  string `json:"update"`  // the source that says so
	Why     string `json:"why"`     // of Other, Either and Absent: one line
	New     bool   `json:"new"`     // only the code with the change has it
}

// MarshalJSON writes lists that are never null.
func (f Fix) MarshalJSON() ([]byte, error) {
	type plain Fix
	p := plain(f)
	p.Updates, p.Functions = append([]string{}, f.Updates...), append([]Function{}, f.Functions...)
	return json.Marshal(p)
}

// Count returns how many fixes are in a state.
func (r *Report) Count(s State) int {
	n := 0
	for i := range r.Fixes {
		if r.Fixes[i].State == s {
			n++
		}
	}
	return n
}

// Text writes the report for people: a line for each fix, and one for each function that is
// not as the fix has it.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	for i := range r.Fixes {
		f := &r.Fixes[i]
		fmt.Fprintf(&b, "%-9s  %-16s  %s\n", f.State, visible.Text(f.Name), visible.Text(f.Why))
		for k := range f.Functions {
			if x := &f.Functions[k]; f.State != Fixed && x.Runs != Post && !(x.New && f.State == NotFixed) {
				fmt.Fprintf(&b, "           %s of %s: %s\n", visible.Text(x.Name), visible.Text(x.Object), visible.Text(x.what()))
			}
		}
	}
	fmt.Fprintf(&b, "%d fixed, %d not fixed, %d undecided\n", r.Count(Fixed), r.Count(NotFixed), r.Count(Undecided))
	_, err := io.WriteString(w, b.String())
	return err
}

// what says on one line what runs instead of the code with the fix.
func (f *Function) what() string {
	if f.Runs == Pre {
		return fmt.Sprintf("runs without the fix, at %#x in %s", f.Address, f.In)
	}
	return f.Why
}
