package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/hint"
	"github.com/gosplice/gosplice/internal/words"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// schema is the version of what -json prints.
const schema = 1

// objectReport is what -json prints. Its lists are never null.
type objectReport struct {
	Schema  int    `json:"schema"` // [schema]
	Name    string `json:"name"`
	Written string `json:"written"` // path of the module, "" when it was not written
	Kernel  string `json:"kernel"`  // vermagic
	// From is the release that the objects of a bundle were compiled for, absent of others.
	From     string         `json:"from,omitempty"`
	BuildID  string         `json:"build_id"`
	Objects  []objectView   `json:"objects"`
	Module   *module.Module `json:"module"` // null when there is none
	Size     int            `json:"size"`   // of the module, bytes
	Refusals []refusal      `json:"refusals"`
	// Affected is all that changed types matter to and is not given.
	Affected []module.Affected `json:"affected"`
}

// objectView is what differs in one pair.
type objectView struct {
	Path     string            `json:"path"`   // of pre
	Module   string            `json:"module"` // that it is part of, "" for the kernel itself
	Changes  []change          `json:"changes"`
	Findings []elfdiff.Finding `json:"findings"`
	// SetAside are line numbers that differ in what is the same otherwise.
	SetAside []string `json:"set_aside"`
}

type change struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Status string `json:"status"`
	Why    string `json:"why"` // the first difference
}

// refusal is one of any package.
type refusal struct {
	Code    string `json:"code"`
	Judge   bool   `json:"judge"` // a person can accept it
	Symbol  string `json:"symbol"`
	Section string `json:"section"`
	Offset  uint64 `json:"offset"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

func newReport(opt *options, k *module.Kernel) *objectReport {
	return &objectReport{
		Schema: schema,
		Name:   opt.module.Name, Kernel: strings.TrimSpace(k.Vermagic()), BuildID: fmt.Sprintf("%x", k.BuildID()),
		Objects: []objectView{}, Refusals: []refusal{}, Affected: []module.Affected{},
	}
}

func (r *objectReport) add(path string, p *module.Pair) {
	d := p.Diff
	o := objectView{Path: path, Module: targetName(p.Target), Changes: []change{}, Findings: append([]elfdiff.Finding{}, d.Findings...), SetAside: []string{}}
	for _, a := range d.SetAside() {
		o.SetAside = append(o.SetAside, a.String())
	}
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range list {
			ch := &list[i]
			if ch.Status == verdict.Same {
				continue
			}
			c := change{Name: ch.Name, Kind: ch.Kind.String(), Status: ch.Status.String()}
			if len(ch.Reasons) > 0 {
				c.Why = ch.Reasons[0].String()
			}
			o.Changes = append(o.Changes, c)
		}
	}
	r.Objects = append(r.Objects, o)
}

func (r *objectReport) made(m *module.Module) { r.Module, r.Size = m, len(m.Bytes()) }

// refuse lists what an error joins.
func (r *objectReport) refuse(err error) {
	switch e := err.(type) {
	case *module.AffectedError:
		r.Affected = append(r.Affected, e.Affected)
		r.refuse(&e.Refusal)
	case *splice.Refusal:
		r.Refusals = append(r.Refusals, refusal{string(e.Code), false, e.Symbol, e.Section, e.Offset, e.Text(), e.Hint})
	case *elfdiff.RefusedError:
		for _, x := range e.Refusals {
			r.Refusals = append(r.Refusals, refusal{string(x.Code), x.Severity == elfdiff.NeedsJudgement, x.Symbol, x.Section, x.Offset, judged(&x.Finding), x.Hint})
		}
	case interface{ Unwrap() []error }:
		for _, x := range e.Unwrap() {
			r.refuse(x)
		}
	default:
		if next := errors.Unwrap(err); next != nil {
			r.refuse(next)
		}
	}
}

// print writes the report for a person: what changed and why, what was
// verified, and what needs judgement.
func (r *objectReport) print(w io.Writer, term cli.Terminal) error {
	var b strings.Builder
	for _, o := range r.Objects {
		fmt.Fprint(&b, term.Paint(cli.Bold, o.Path))
		if o.Module != "" {
			fmt.Fprintf(&b, " of %s", o.Module)
		}
		fmt.Fprintln(&b)
		if len(o.Changes) == 0 {
			fmt.Fprintln(&b, "  no change")
		}
		for _, c := range o.Changes {
			fmt.Fprintf(&b, "  %s %s %s", c.Status, c.Kind, term.Paint(cli.Cyan, c.Name))
			if c.Why != "" {
				fmt.Fprintf(&b, "  [%s]", c.Why)
			}
			fmt.Fprintln(&b)
		}
		if n := len(o.SetAside); n > 0 {
			fmt.Fprintf(&b, "  set aside: %s\n", count(n, "line number"))
		}
		for _, f := range o.Findings {
			fmt.Fprintf(&b, "  %s %s\n", term.Paint(cli.Yellow, f.Severity.String()), f)
		}
	}
	if len(r.Refusals) > 0 && r.From != "" {
		fmt.Fprintf(&b, "objects for %s do not fit %s, build-id %.12s, as far as can be proven:\n", r.From, r.Kernel, r.BuildID)
	}
	for _, x := range r.Refusals {
		word := term.Paint(cli.Red, "refused")
		if x.Judge {
			word = term.Paint(cli.Yellow, "judge")
		}
		fmt.Fprintf(&b, "%s %s: %s: %s\n", word, x.Code, strings.TrimSpace(x.Symbol+" "+x.Section), x.Message)
		if x.Hint != "" {
			fmt.Fprintf(&b, "  %s\n", hint.Flags(x.Hint))
		}
	}
	if r.Module != nil {
		r.printModule(&b, term)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *objectReport) printModule(b *strings.Builder, term cli.Terminal) {
	fmt.Fprintf(b, "\n%s for %s, build-id %.12s\n", term.Paint(cli.Bold, r.Name), r.Kernel, r.BuildID)
	for _, f := range r.Module.Functions {
		name := f.Name
		if f.Position > 0 {
			name = fmt.Sprintf("%s (number %d of that name)", name, f.Position)
		}
		where, when := fmt.Sprintf("at %#x", f.Addr), "at load"
		if f.Module != "" {
			where, when = "in "+f.Module, "whenever that is loaded"
		}
		how := ""
		switch f.Method {
		case module.MethodFtrace:
		case module.MethodExit:
			how = " through struct module"
		default:
			how = " by a " + f.Method
		}
		fmt.Fprintf(b, "  replaces %s %s%s, found by %s: %d bytes verified here and again %s, %d that the kernel rewrites\n",
			term.Paint(cli.Cyan, name), where, how, f.By, f.Size-f.Masked, when, f.Masked)
	}
	for _, f := range r.Module.Findings {
		fmt.Fprintf(b, "  %s %s\n", f.Severity, f)
	}
	r.printPins(b, term)
	for _, d := range r.Module.Data {
		fmt.Fprintf(b, "  overwrites %s %s: %s verified at load, restored when it is disabled\n", term.Paint(cli.Cyan, d.Name), dataAt(d.Addr, d.Module), count(int(d.Size), "byte"))
	}
	for _, n := range r.Module.Initials {
		fmt.Fprintf(b, "  sets %s %s where it holds its old initial value, until it is disabled\n", term.Paint(cli.Cyan, n.Name), dataAt(n.Addr, n.Module))
	}
	by, later := map[string]int{}, 0
	for _, x := range r.Module.References {
		by[x.By]++
		if x.For != "" {
			later++
		}
	}
	others := len(r.Module.References) - by["export"] - by["module"]
	fmt.Fprintf(b, "  refers to %s, and to %s not exported", count(by["export"]-later, "export"), count(others, "place"))
	if n := by["module"]; n > 0 {
		fmt.Fprintf(b, "; to %s in the modules, filled in when they are loaded", count(n, "place"))
	}
	if later > 0 {
		fmt.Fprintf(b, "; to %s of modules that what it changes depends on, found when it is loaded", count(later, "export"))
	}
	fmt.Fprintln(b)
	what := term.Paint(cli.Green, "wrote "+r.Written)
	if r.Written == "" {
		what = "nothing written"
	}
	signed := ""
	if r.Module.Signed {
		signed = ", signed"
	}
	fmt.Fprintf(b, "  %s: %d bytes%s, id %.12s\n", what, r.Size, signed, r.Module.ID)
}

// judged is the message of a finding, with what comes of accepting it.
func judged(f *elfdiff.Finding) string {
	if f.Severity != elfdiff.NeedsJudgement {
		return f.Message
	}
	return fmt.Sprintf("%s (with -accept %s: %s)", f.Message, f.Code, f.Accept)
}

// count is a number with its noun.
func count(n int, noun string) string { return words.Count(n, noun) }

// printPins says why the module stays once it is loaded.
func (r *objectReport) printPins(b *strings.Builder, term cli.Terminal) {
	m := r.Module
	if !m.Pinned {
		return
	}
	fmt.Fprintf(b, "  %s: it can be disabled, but not removed (EBUSY), nor loaded again until the next start\n", term.Paint(cli.Yellow, "stays loaded"))
	for i := range m.Pins {
		fmt.Fprintf(b, "    %s\n", &m.Pins[i])
	}
}

// dataAt says where data is: an address says nothing of what moves.
func dataAt(addr uint64, module string) string {
	if module != "" {
		return "in " + module
	}
	return fmt.Sprintf("at %#x", addr)
}
