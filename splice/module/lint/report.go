package lint

import (
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
)

// Schema is the version of the JSON of a [Report]. Keys may be added to a version.
const Schema = 1

// A Report is what was found in the file of a module.
type Report struct {
	Schema int    `json:"schema"` // [Schema]
	Name   string `json:"name"`   // of the module; "" when it can't be read
	Kernel string `json:"kernel"` // that it was held against: its release, or what it says of itself; "" for none
	Ours   bool   `json:"ours"`   // package module made it
	Sealed bool   `json:"sealed"` // and it is what that wrote, bit by bit
	// Relocations, Functions and Entries are how many were looked at: functions that are replaced,
	// and entries of tables.
	Relocations int       `json:"relocations"`
	Functions   int       `json:"functions"`
	Entries     int       `json:"entries"`
	Findings    []Finding `json:"findings"` // the worst first; never null
	More        int       `json:"more"`     // findings that were left out, since there are so many of their code
}

func newReport() *Report { return &Report{Schema: Schema, Findings: []Finding{}} }

// Worst returns the worst level of what was found, "" for nothing.
func (r *Report) Worst() Level {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Level
}

// verdicts say what a level means for the module.
var verdicts = map[Level]string{
	"": "nothing is wrong with it", Unchecked: "nothing is wrong with what could be looked at", Doubtful: "there are doubts about it", Wrong: "it must not be loaded",
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	name := r.Name
	if name == "" {
		name = "no name"
	}
	fmt.Fprintf(&b, "%s: %s\n", visible.Text(name), verdicts[r.Worst()])
	seal := "nothing in it tells whether it is whole"
	if r.Sealed {
		seal = "it is what gosplice wrote, by the digest in it"
	} else if r.Ours {
		seal = "gosplice made it, and it is damaged"
	}
	against := "no kernel"
	if r.Kernel != "" {
		against = r.Kernel
	}
	fmt.Fprintf(&b, "  %s\n  %d relocations, %d entries of tables, %d replaced functions; against %s\n", seal, r.Relocations, r.Entries, r.Functions, visible.Text(against))
	for i := range r.Findings {
		f := &r.Findings[i]
		fmt.Fprintf(&b, "  %s\n", visible.Text(f.String()))
		if i+1 == len(r.Findings) || r.Findings[i+1].Code != f.Code {
			fmt.Fprintf(&b, "    %s\n", f.Hint)
		}
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "  and %d more\n", r.More)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
