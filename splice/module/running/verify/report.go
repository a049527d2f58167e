package verify

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
)

// Schema is the version of the JSON of a [Report]. Keys may be added to a version.
const Schema = 1

// State is what was found out of an update, or of a part of it.
type State string

// The states.
const (
	Proven   State = "proven"   // it is what the file has, and in effect
	Replaced State = "replaced" // another livepatch has taken its place
	Inactive State = "inactive" // nothing leads to it: it is disabled, or not loaded
	Waiting  State = "waiting"  // the module that it changes is not loaded
	Unknown  State = "unknown"  // it can't be told
	Differs  State = "differs"  // it is not what the file has, or calls do not lead there
)

// A Report is about the livepatches of a kernel.
type Report struct {
	Schema  int      `json:"schema"` // [Schema]
	Kernel  string   `json:"kernel"` // build-id of the kernel that runs, hexadecimal
	Updates []Update `json:"updates"`
}

// An Update is a livepatch. Those that are loaded come first, by address; then those of files
// that are not loaded.
type Update struct {
	Name    string  `json:"name"`
	ID      string  `json:"id"` // build-id of the module
	State   State   `json:"state"`
	Why     string  `json:"why"`   // of Unknown and Inactive: one line
	Bytes   uint64  `json:"bytes"` // of code and read-only data that were compared
	Entries []Entry `json:"entries"`
	Wrong   []Wrong `json:"wrong"` // what is not as the file has it
}

// An Entry is a function that an update replaces, or a constant or a variable that it writes to.
type Entry struct {
	Function string `json:"function"` // its name
	Module   string `json:"module"`   // that it is in, "" for the kernel itself
	Address  uint64 `json:"address"`  // of the old function, in run; 0 when it is not there
	New      uint64 `json:"new"`      // where calls of it lead; 0 when that is not known, or it is data
	By       string `json:"by"`       // "ftrace", "jump", or "in place"; "" when it is not known
	State    State  `json:"state"`
	Why      string `json:"why"` // unless Proven: one line
}

// A Wrong is a place that is not as the file has it.
type Wrong struct {
	Symbol  string `json:"symbol"`
	Address uint64 `json:"address"` // in run; 0 when not known
	Why     string `json:"why"`
}

// MarshalJSON writes lists that are never null.
func (u Update) MarshalJSON() ([]byte, error) {
	type plain Update
	p := plain(u)
	p.Entries, p.Wrong = append([]Entry{}, u.Entries...), append([]Wrong{}, u.Wrong...)
	return json.Marshal(p)
}

// Proven reports whether all updates that are in effect are proven to be what their files have.
func (r *Report) Proven() bool {
	for i := range r.Updates {
		if s := r.Updates[i].State; s == Differs || s == Unknown {
			return false
		}
	}
	return true
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	for i := range r.Updates {
		u := &r.Updates[i]
		fmt.Fprintf(&b, "%s: %s", visible.Text(u.Name), u.State)
		if u.ID != "" {
			fmt.Fprintf(&b, ", id %.12s", u.ID)
		}
		if u.Bytes > 0 {
			fmt.Fprintf(&b, ", %d bytes compared", u.Bytes)
		}
		if u.Why != "" {
			fmt.Fprintf(&b, ": %s", visible.Text(u.Why))
		}
		b.WriteByte('\n')
		for k := range u.Entries {
			b.WriteString("  " + visible.Text(u.Entries[k].text()) + "\n")
		}
		for _, x := range u.Wrong {
			fmt.Fprintf(&b, "  wrong: %s at %#x: %s\n", visible.Text(x.Symbol), x.Address, visible.Text(x.Why))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (e *Entry) text() string {
	name := e.Function
	if e.Module != "" {
		name += " of " + e.Module
	}
	if e.State == Proven && e.New == 0 {
		return fmt.Sprintf("%s: it holds what was written there", name)
	}
	if e.State == Proven {
		return fmt.Sprintf("%s: its calls lead to %#x, by %s", name, e.New, e.By)
	}
	return fmt.Sprintf("%s: %s: %s", name, e.State, e.Why)
}
