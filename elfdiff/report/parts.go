package report

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/web"
	"github.com/gosplice/gosplice/internal/words"
)

// severities are the looks and names of findings, the gravest first.
var severities = []struct {
	severity           elfdiff.Severity
	class, short, word string
}{
	{elfdiff.Refused, "refused", "refused", "refused"},
	{elfdiff.NeedsJudgement, "judge", "to judge", "needs judgement"},
	{elfdiff.Carried, "carried", "carried", "carried"},
	{elfdiff.Ignored, "ignored", "ignored", "ignored"},
}

// findings lists the gravest first.
func (p *pageBuilder) findings(g *page) {
	add := func(i int, f *elfdiff.Finding) {
		s := &severities[i]
		if f.Severity != s.severity {
			return
		}
		g.Severities[i]++
		if len(g.Findings) >= maxFindings {
			g.More++
			return
		}
		v := p.finding(f)
		v.Class, v.Severity, v.Href = s.class, s.word, p.names[f.Symbol]
		g.Findings = append(g.Findings, v)
	}
	g.Severities = make([]int, len(severities))
	for i := range severities {
		for k := range p.d.Refusals {
			add(i, &p.d.Refusals[k].Finding)
		}
		for k := range p.d.Findings {
			add(i, &p.d.Findings[k])
		}
	}
}

func (p *pageBuilder) finding(f *elfdiff.Finding) finding {
	v := finding{
		ID: p.anchors.Make("x-", string(f.Code)), Code: string(f.Code), Symbol: web.Name(f.Symbol),
		Message: p.linked(f.Message), Hint: web.Text(p.ways.hint(f.Hint)), Accepted: f.Accepted,
	}
	if f.Section != "" {
		v.Place = fmt.Sprintf("%s+%#x", web.Name(f.Section), f.Offset)
	}
	v.HintWord = "Note"
	if f.Severity >= elfdiff.NeedsJudgement {
		v.HintWord = "What to do"
	}
	if f.Accept != "" {
		v.Accept, v.Comes = p.ways.accept+v.Code, web.Text(f.Accept)
	}
	return v
}

// travels groups what an update takes with it, and lists what it refers to.
func (p *pageBuilder) travels(g *page) {
	for _, l := range loadsOf(p.d) {
		c := cargo{Kind: l.noun(), Count: len(l.atoms), Bytes: web.Plural(int(l.bytes), "byte")}
		for _, a := range l.atoms {
			name, ok := p.cargoName(a)
			switch {
			case !ok:
			case len(c.Names) >= maxNames:
				c.More++
			default:
				c.Names = append(c.Names, name)
			}
		}
		g.Travels = append(g.Travels, c)
	}
	if len(g.Travels) == 0 || len(p.d.Refusals) > 0 {
		return
	}
	x, err := elfdiff.Extract(p.d)
	if err != nil {
		return // the page is about what differs
	}
	p.tables(g, x)
	for i, e := range x.Externals {
		if i == maxNames {
			g.Needs = append(g.Needs, fmt.Sprintf("and %d more", len(x.Externals)-i))
			break
		}
		g.Needs = append(g.Needs, web.Name(e.Name))
	}
}

// tables lists the tables of which entries travel.
func (p *pageBuilder) tables(g *page, x *extract.Extracted) {
	list := tablesOf(p.d, x)
	c := cargo{Kind: words.Nouns(len(list), "table"), Count: len(list)}
	n := uint64(0)
	for _, t := range list {
		n += t.bytes
		c.Names = append(c.Names, link{Name: web.Name(t.name), Title: web.Plural(int(t.bytes), "byte")})
	}
	if c.Bytes = web.Plural(int(n), "byte"); c.Count > 0 {
		g.Travels = append(g.Travels, c)
	}
}

func (p *pageBuilder) cargoName(a *object.Atom) (link, bool) {
	l := link{Title: web.Plural(int(a.Size), "byte")}
	switch {
	case a.Kind == object.String:
		l.Name = fmt.Sprintf("%q", clip(string(a.Bytes), 80))
	case a.Kind == object.Special || a.Name == "" && a.Kind == object.Const:
		l.Name = sectionOf(p.d.Post, a)
	case a.Name == "":
		return l, false
	default:
		l.Name = a.Name
	}
	if id, ok := p.ids[1][a.ID]; ok {
		l.Href = "#" + id
	}
	l.Name = web.Name(l.Name)
	return l, true
}

func clip(s string, n int) string {
	if i := len(s) - 1; i >= 0 && s[i] == 0 {
		s = s[:i]
	}
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

func sectionOf(o *object.Object, a *object.Atom) string {
	return fmt.Sprintf("%s+%#x", o.File.Sections[a.Section].Name, a.Offset)
}

// quiet lists what differs without being a change.
func (p *pageBuilder) quiet(g *page) {
	for _, list := range [][]verdict.Change{p.d.Functions, p.d.Data} {
		for i := range list {
			ch := &list[i]
			if ch.Status != verdict.Same {
				continue
			}
			g.Same++
			if len(ch.Incidental) == 0 {
				continue
			}
			if len(g.Quiet) >= maxQuiet {
				g.QuietMore++
				continue
			}
			q := quiet{Name: web.Name(ch.Name)}
			for k := range ch.Incidental {
				if k == maxReasons {
					q.More = len(ch.Incidental) - k
					break
				}
				q.Why = append(q.Why, p.why(&ch.Incidental[k]))
			}
			g.Quiet = append(g.Quiet, q)
		}
	}
}
