package fixes

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Metrics writes the report in the text format of Prometheus, for a file that the textfile
// collector of node_exporter reads. At is when the memory was looked at. Write it to another name
// in the folder, and rename it: the collector may read at any time.
func (r *Report) Metrics(w io.Writer, at time.Time) error {
	var b strings.Builder
	gauge := func(name, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name) }
	states := []State{Fixed, NotFixed, Undecided}
	gauge("gosplice_fix", "Whether a fix is in a state, by the code in the memory of the kernel.")
	for i := range r.Fixes {
		f := &r.Fixes[i]
		for _, s := range states {
			is := 0
			if f.State == s {
				is = 1
			}
			fmt.Fprintf(&b, "gosplice_fix{fix=\"%s\",state=\"%s\"} %d\n", label(f.Name), s, is)
		}
	}
	gauge("gosplice_fixes", "Number of fixes in a state.")
	for _, s := range states {
		fmt.Fprintf(&b, "gosplice_fixes{state=\"%s\"} %d\n", s, r.Count(s))
	}
	gauge("gosplice_fixes_checked_seconds", "When the memory of the kernel was looked at, in seconds since 1970.")
	fmt.Fprintf(&b, "gosplice_fixes_checked_seconds %d\n", at.Unix())
	_, err := io.WriteString(w, b.String())
	return err
}

// label escapes the value of a label (prometheus.io/docs/instrumenting/exposition_formats).
func label(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(s, "\uFFFD"))
}
