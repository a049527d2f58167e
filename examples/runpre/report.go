package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/reloc"
)

// report is what was found out about all objects.
type report struct {
	run       string
	objects   []objectView
	conflicts []reloc.Conflict
}

type objectView struct {
	path   string
	result *reloc.Result
}

// matched reports whether all functions match, of which there has to be one: among
// several objects some may hold data alone.
func (r *report) matched() bool {
	functions := 0
	for _, o := range r.objects {
		functions += len(o.result.Functions)
		if len(o.result.Functions) > 0 && !o.result.AllMatched() {
			return false
		}
	}
	return functions > 0 && len(r.conflicts) == 0
}

// writeConflicts writes a line for each value of a symbol that has several.
func (r *report) writeConflicts(b *strings.Builder) {
	for _, c := range r.conflicts {
		for _, x := range c.Claims {
			fmt.Fprintf(b, "%-9s %s: %#x, says %s", "conflict", visible.Text(c.Name), x.Address, visible.Text(r.objects[x.Object].path))
			if x.Objects > 1 {
				fmt.Fprintf(b, " and %d more", x.Objects-1)
			}
			b.WriteString("\n")
		}
	}
}

// The JSON form: what package reloc has for functions and symbols, and of which run and
// objects they are. Addresses are strings, since JSON numbers lose precision.
type (
	jsonReport struct {
		Schema  int          `json:"schema"`
		Run     string       `json:"run"`
		Matched bool         `json:"matched"`
		Objects []jsonObject `json:"objects"`
		// Conflicts are the global symbols of which objects say different things.
		Conflicts []jsonConflict `json:"conflicts,omitempty"`
	}
	jsonConflict struct {
		Name   string      `json:"name"`
		Claims []jsonClaim `json:"claims"`
	}
	jsonClaim struct {
		Address string `json:"address"`
		Object  string `json:"object"`  // the first that says so
		Objects int    `json:"objects"` // how many do
	}
	jsonObject struct {
		Path      string             `json:"path"`
		Functions []reloc.FuncResult `json:"functions"`
		Symbols   []reloc.Value      `json:"symbols"`
	}
)

func hex(v uint64) string { return fmt.Sprintf("%#x", v) }

func (r *report) writeJSON(w io.Writer) error {
	out := jsonReport{Schema: reloc.ResultSchema, Run: r.run, Matched: r.matched(), Objects: []jsonObject{}}
	for _, o := range r.objects {
		out.Objects = append(out.Objects, jsonObject{o.path, append([]reloc.FuncResult{}, o.result.Functions...), append([]reloc.Value{}, o.result.Symbols...)})
	}
	for _, c := range r.conflicts {
		j := jsonConflict{Name: c.Name}
		for _, x := range c.Claims {
			j.Claims = append(j.Claims, jsonClaim{hex(x.Address), r.objects[x.Object].path, x.Objects})
		}
		out.Conflicts = append(out.Conflicts, j)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// writeText writes for people: what did not match, and a summary; with all,
// everything.
func (r *report) writeText(w io.Writer, all bool) error {
	counts := make(map[reloc.Verdict]int)
	functions, symbols := 0, 0
	var b strings.Builder
	for i, o := range r.objects {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s\n", visible.Text(o.path))
		tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		for j := range o.result.Functions {
			f := &o.result.Functions[j]
			counts[f.Verdict]++
			functions++
			fmt.Fprintf(tw, "  %s\t%s\t%s\n", f.Verdict, nameOf(f), remark(f))
		}
		tw.Flush()
		for j := range o.result.Functions {
			if m := o.result.Functions[j].Mismatch; m != nil && all {
				fmt.Fprintf(&b, "\n%+v\n", m)
			}
		}
		symbols += len(o.result.Symbols)
		if all {
			writeSymbols(&b, o.result.Symbols)
		}
	}
	if len(r.conflicts) > 0 {
		b.WriteString("\n")
		r.writeConflicts(&b)
	}
	fmt.Fprintf(&b, "\n%s: %d of %d functions match", r.run, counts[reloc.Matched], functions)
	for _, v := range []reloc.Verdict{reloc.Mismatch, reloc.Ambiguous, reloc.Absent} {
		if counts[v] > 0 {
			fmt.Fprintf(&b, ", %d %s", counts[v], v)
		}
	}
	fmt.Fprintf(&b, "; %d symbols have values\n", symbols)
	_, err := io.WriteString(w, b.String())
	return err
}

func nameOf(f *reloc.FuncResult) string {
	if f.Name == "" {
		return "(no name)"
	}
	return visible.Text(f.Name)
}

// remark says in a few words what there is to say about a function.
func remark(f *reloc.FuncResult) string {
	switch f.Verdict {
	case reloc.Matched:
		return fmt.Sprintf("%#x  %d bytes, by %s", f.Address, f.Size, f.By)
	case reloc.Mismatch:
		return f.Mismatch.Error()
	case reloc.Ambiguous:
		if len(f.Candidates) == 0 {
			return f.Undecided
		}
		var at []string
		for _, c := range f.Candidates {
			at = append(at, hex(c))
		}
		if f.More {
			at = append(at, "and more")
		}
		return "could be at " + strings.Join(at, ", ") + ": " + f.Undecided
	}
	if f.Freed {
		return "only needed while the kernel starts, and freed then"
	}
	if f.Replacement != 0 {
		return "a weak definition, replaced by the one at " + hex(f.Replacement)
	}
	if f.Weak {
		return "a weak definition, which another one may have replaced"
	}
	return ""
}

func writeSymbols(b *strings.Builder, list []reloc.Value) {
	tw := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(b)
	for i := range list {
		value, kind := list[i].Primary()
		fmt.Fprintf(tw, "  %#x\t%s\t%s\n", value, kind, visible.Text(list[i].Name))
	}
	tw.Flush()
}
