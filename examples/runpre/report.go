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
	objects   []object
	conflicts []reloc.Conflict
}

type object struct {
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

// The JSON form. Addresses are strings, since JSON numbers lose precision.
type (
	jsonReport struct {
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
		Path      string         `json:"path"`
		Functions []jsonFunction `json:"functions"`
		Symbols   []jsonSymbol   `json:"symbols"`
	}
	jsonFunction struct {
		Name       string        `json:"name"`
		Verdict    string        `json:"verdict"`
		Address    string        `json:"address,omitempty"`
		Size       uint64        `json:"size,omitempty"`
		By         string        `json:"by,omitempty"`
		Weak       bool          `json:"weak,omitempty"`
		Freed      bool          `json:"freed,omitempty"`
		RunName    string        `json:"runName,omitempty"`
		SymPos     uint64        `json:"sympos,omitempty"`
		Replaced   string        `json:"replacedBy,omitempty"`
		Undecided  string        `json:"undecided,omitempty"`
		Patches    []jsonPatch   `json:"patches,omitempty"`
		Redirect   *jsonRedirect `json:"redirect,omitempty"`
		Mismatch   *jsonMismatch `json:"mismatch,omitempty"`
		Candidates []string      `json:"candidates,omitempty"`
		More       bool          `json:"more,omitempty"`
	}
	jsonPatch struct {
		Kind   string `json:"kind"`
		Offset string `json:"offset"`
		At     string `json:"at"`
		Target string `json:"target,omitempty"`
		Name   string `json:"name,omitempty"`
	}
	jsonRedirect struct {
		Kind    string `json:"kind"`
		At      string `json:"at"`
		To      string `json:"to"`
		Name    string `json:"name,omitempty"`
		Verdict string `json:"verdict"` // of the code that is live
		Message string `json:"message,omitempty"`
	}
	jsonMismatch struct {
		Reason    string `json:"reason"`
		Offset    string `json:"offset"`
		RunOffset string `json:"runOffset"`
		Pre       string `json:"pre"`
		Run       string `json:"run"`
		Target    string `json:"target,omitempty"`
		Message   string `json:"message"`
		Detail    string `json:"detail"`
	}
	jsonSymbol struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		Kind  string `json:"kind"` // what value is: address, plt, got, tls, tpoff, tlsslot
		PLT   string `json:"plt,omitempty"`
		GOT   string `json:"got,omitempty"`
		TPOff string `json:"tpoff,omitempty"`
	}
)

func hex(v uint64) string { return fmt.Sprintf("%#x", v) }

func (r *report) writeJSON(w io.Writer) error {
	out := jsonReport{Run: r.run, Matched: r.matched(), Objects: []jsonObject{}}
	for _, o := range r.objects {
		j := jsonObject{Path: o.path, Functions: []jsonFunction{}, Symbols: []jsonSymbol{}}
		for i := range o.result.Functions {
			j.Functions = append(j.Functions, functionJSON(&o.result.Functions[i]))
		}
		for i := range o.result.Symbols {
			j.Symbols = append(j.Symbols, symbolJSON(&o.result.Symbols[i]))
		}
		out.Objects = append(out.Objects, j)
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

func functionJSON(f *reloc.FuncResult) jsonFunction {
	j := jsonFunction{Name: f.Name, Verdict: f.Verdict.String(), Weak: f.Weak, Freed: f.Freed, More: f.More, RunName: f.RunName, SymPos: f.SymPos, Undecided: f.Undecided}
	if f.Replacement != 0 {
		j.Replaced = hex(f.Replacement)
	}
	for i := range f.Patches {
		j.Patches = append(j.Patches, patchJSON(&f.Patches[i]))
	}
	if r := f.Redirect; r != nil {
		j.Redirect = &jsonRedirect{Kind: r.Kind.String(), At: hex(r.At), To: hex(r.To), Name: r.Name, Verdict: r.Verdict.String()}
		if r.Mismatch != nil {
			j.Redirect.Message = r.Mismatch.Error()
		}
	}
	for _, c := range f.Candidates {
		j.Candidates = append(j.Candidates, hex(c))
	}
	switch f.Verdict {
	case reloc.Matched:
		j.Address, j.Size, j.By = hex(f.Address), f.Size, f.By.String()
	case reloc.Mismatch:
		m := f.Mismatch
		j.Address = hex(f.Address)
		j.Mismatch = &jsonMismatch{
			Reason: m.Reason.String(), Offset: hex(m.Offset), RunOffset: hex(m.RunOffset),
			Pre: fmt.Sprintf("% x", m.Pre), Run: fmt.Sprintf("% x", m.Run),
			Message: m.Error(), Detail: fmt.Sprintf("%+v", m),
		}
		if m.Target != 0 {
			j.Mismatch.Target = hex(m.Target)
		}
	}
	return j
}

func patchJSON(p *reloc.Patch) jsonPatch {
	j := jsonPatch{Kind: p.Kind.String(), Offset: hex(p.Offset), At: hex(p.Address), Name: p.Name}
	if p.Target != 0 {
		j.Target = hex(p.Target)
	}
	return j
}

func symbolJSON(v *reloc.Value) jsonSymbol {
	j := jsonSymbol{Name: v.Name}
	j.Value, j.Kind = primary(v)
	if v.Has&reloc.UsePLT != 0 {
		j.PLT = hex(v.PLT)
	}
	if v.Has&reloc.UseGOT != 0 {
		j.GOT = hex(v.GOT)
	}
	if v.Has&reloc.UseTPOff != 0 {
		j.TPOff = fmt.Sprint(v.TPOff)
	}
	return j
}

// primary returns the value that says most about a symbol, and what it is.
func primary(v *reloc.Value) (value, kind string) {
	switch {
	case v.Has&reloc.UseTLS != 0:
		return hex(v.TLS), "tls"
	case v.Has&reloc.UseTPOff != 0:
		return hex(uint64(v.TPOff)), "tpoff"
	case v.Has&reloc.UseAddress != 0:
		return hex(v.Address), "address"
	case v.Has&reloc.UsePLT != 0:
		return hex(v.PLT), "plt"
	case v.Has&reloc.UseGOT != 0:
		return hex(v.GOT), "got"
	}
	return hex(v.TLSSlot), "tlsslot"
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
		value, kind := primary(&list[i])
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", value, kind, visible.Text(list[i].Name))
	}
	tw.Flush()
}
