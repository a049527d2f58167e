package report

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/web"
)

// outcome sums up what was found.
func (p *pageBuilder) outcome() outcome {
	final, judge := 0, 0
	for i := range p.d.Refusals {
		if p.d.Refusals[i].Severity == elfdiff.NeedsJudgement {
			judge++
		} else {
			final++
		}
	}
	switch p.d.Outcome() {
	case elfdiff.OutcomeRefused:
		return outcome{"refused", "Refused", web.Plural(final, "reason") + " why the changes can't be carried as they are."}
	case elfdiff.OutcomeJudge:
		return outcome{"judge", "Needs judgement", "A person has to look at " + web.Plural(judge, "finding") + ", and accept what comes of it."}
	case elfdiff.OutcomeIgnored:
		return outcome{"same", "Nothing to carry", "What differs has no bearing on what runs."}
	case elfdiff.OutcomeSame:
		return outcome{"same", "No change", "Nothing that runs differs; no update is needed."}
	}
	o := outcome{"carried", "Carried", "All changes can be carried"}
	if n := len(p.d.Findings); n > 0 {
		o.Text += "; " + web.Plural(n, "finding") + " to read"
	}
	o.Text += "."
	return o
}

func (p *pageBuilder) facts() []fact {
	var out []fact
	add := func(name string, of func(o *object.Object) string) {
		a, b := web.Text(of(p.d.Pre)), web.Text(of(p.d.Post))
		if a == b {
			b = ""
		}
		if a != "" || b != "" {
			out = append(out, fact{name, a, b})
		}
	}
	add("object", func(o *object.Object) string { return o.Name() })
	add("SHA-256", func(o *object.Object) string { return digest(o.Name()) })
	add("compiler", compilerOf)
	text := "no debug information: no source is shown"
	if p.positions[0] != nil || p.positions[1] != nil {
		text = fmt.Sprintf("%s found, %d not", web.Plural(p.src.found, "file"), p.src.missing)
		if p.src.found+p.src.missing == 0 {
			text = ""
		}
	}
	if text != "" {
		out = append(out, fact{"source", text, ""})
	}
	return out
}

// digest identifies an object that was read from a file.
func digest(name string) string {
	f, err := files.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// compilerOf returns what the compilers left in .comment, each once.
func compilerOf(o *object.Object) string {
	var out []string
	seen := map[string]bool{}
	for s := range o.File.SectionsNamed(kerneltab.Comment) {
		b, err := s.Data()
		if err != nil || s.Type != elf.SHT_PROGBITS {
			continue
		}
		for _, part := range strings.Split(string(b[:min(len(b), 4<<10)]), "\x00") {
			if part != "" && !seen[part] {
				seen[part] = true
				out = append(out, part)
			}
		}
	}
	return strings.Join(out, ", ")
}

func (p *pageBuilder) tiles(g *page) []web.Tile {
	out := []web.Tile{
		web.NewTile("functions", "#changes", countsOf(p.d.Functions)...),
		web.NewTile("data", "#changes", countsOf(p.d.Data)...),
	}
	n := web.Tile{Label: "findings", Href: "#findings"}
	for i, k := range g.Severities {
		if k > 0 {
			n.Numbers = append(n.Numbers, web.NewNumber(k, severities[i].short, severities[i].class))
		}
	}
	if len(n.Numbers) == 0 {
		n.Numbers = []web.Number{web.NewNumber(0, "", "")}
	}
	out = append(out, n)
	n = web.Tile{Label: "travels", Href: "#travels"}
	for _, c := range g.Travels {
		n.Numbers = append(n.Numbers, web.NewNumber(c.Count, c.Kind, ""))
	}
	if len(n.Numbers) == 0 {
		n.Numbers = []web.Number{web.NewNumber(0, "pieces", "")}
	}
	out = append(out, n)
	if k := len(g.Types); k > 0 {
		out = append(out, web.NewTile("types", "#types", web.NewNumber(k, "matter", "judge")))
	}
	there := map[string]bool{"#changes": len(g.Sections) > 0, "#findings": len(g.Findings) > 0, "#travels": len(g.Travels) > 0, "#types": true}
	for i := range out {
		if !there[out[i].Href] {
			out[i].Href = ""
		}
	}
	return out
}

func countsOf(list []verdict.Change) []web.Number {
	n := map[verdict.Status]int{}
	for i := range list {
		n[list[i].Status]++
	}
	var out []web.Number
	for _, s := range []verdict.Status{verdict.Changed, verdict.New, verdict.Removed, verdict.Same} {
		if n[s] > 0 || s == verdict.Changed || s == verdict.Same {
			out = append(out, web.NewNumber(n[s], s.String(), s.String()))
		}
	}
	return out
}
