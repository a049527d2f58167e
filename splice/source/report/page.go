package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/web"
	"github.com/gosplice/gosplice/splice/source"
)

// Bounds of a page: rows of each table, changes of an object and of all, and bytes of a
// command.
const (
	maxRows       = 2_000
	maxChanges    = 200
	maxAllChanges = 10_000
	maxCommand    = 4_000
)

// page is what the template shows.
type page struct {
	Title    string
	Up       string // a link to the table
	Outcome  badge
	Facts    []fact
	Failure  []fact
	Tiles    []web.Tile
	Findings table[findingView]
	Patches  table[patchView]
	Files    table[fileView]
	Objects  table[objectView]
	Same     int // objects that are the same, and not among them
	Update   *updateView
	Programs []programView
	Trial    *trialView
	Affected table[affectedView]
	Stages   []fact
	Commands table[string]
}

// badge is a word in a colour, and what it means.
type badge struct{ Class, Word, Text string }

// fact is a name and a value.
type fact struct{ Name, Value string }

// table is some rows, and how many more there are.
type table[T any] struct {
	Rows []T
	More int
}

// add adds a row, as long as there is room.
func (t *table[T]) add(row T) {
	if len(t.Rows) >= maxRows {
		t.More++
		return
	}
	t.Rows = append(t.Rows, row)
}

// Len is how many rows there are in all.
func (t table[T]) Len() int { return len(t.Rows) + t.More }

type findingView struct {
	Class, Severity      string
	Code, Symbol, Place  string
	Message, Hint        string
	Accept, Comes, Where string
	Accepted             bool
}

type patchView struct {
	badge
	Name, Subject, Author string
	CVEs, Fixes           []string
	Reasons               []string
	Needs, Digest         string
}

type fileView struct {
	Path, Kind, Change, Note string
	Objects                  int
}

type objectView struct {
	badge
	Object, Source, Target string
	Changes                []changeView
	More                   int
	Aside                  int
	Time                   string
	Pre, Post              string
}

type changeView struct{ Name, Kind, Status, Why string }

type affectedView struct {
	Name, Kind string
	Where      []string
}

// pageBuilder collects a page.
type pageBuilder struct {
	d    *Document
	r    *source.Result
	opt  HTMLOptions
	ways *ways
	room int // for changes
}

func (b *pageBuilder) page() *page {
	r := b.r
	l := outcomeLook(r.Outcome)
	g := &page{Title: web.Name(titleOf(r)), Up: b.opt.Index, Outcome: badge{l.class, web.Name(l.word), l.text}, Facts: b.facts(), Failure: failureFacts(b.d.Failure)}
	b.findings(g)
	for i := range r.Patches {
		g.Patches.add(patchOf(&r.Patches[i]))
	}
	for i := range r.Files {
		f := &r.Files[i]
		g.Files.add(fileView{web.Name(f.Path), web.Name(string(f.Kind)), web.Name(f.Change), web.Text(f.Note), f.Objects})
	}
	for i := range r.Objects {
		if o := &r.Objects[i]; len(o.Changes) > 0 || len(o.Findings) > 0 || len(r.Objects) <= maxListed {
			g.Objects.add(b.object(o))
		} else {
			g.Same++
		}
	}
	b.affected(g)
	g.Update, g.Programs, g.Trial = updateOf(r.Update), programsOf(b.d), trialOf(b.d.Trial)
	for _, s := range r.Stages {
		if s.Elapsed > 0 {
			g.Stages = append(g.Stages, fact{web.Name(s.Name), short(s.Elapsed)})
		}
	}
	for _, c := range b.d.Commands {
		g.Commands.add(web.Safe(c, maxCommand))
	}
	g.Tiles = tilesOf(r, g, b.d.Elapsed())
	return g
}

// titleOf names a result: by its only patch, or its module.
func titleOf(r *source.Result) string {
	if len(r.Patches) == 1 && r.Patches[0].Subject != "" {
		return r.Patches[0].Subject
	}
	if len(r.Patches) == 1 {
		return r.Patches[0].Name
	}
	return r.Name
}

// facts are what identifies the update.
func (b *pageBuilder) facts() []fact {
	id, m := b.r.Kernel, b.d.Module
	list := []fact{
		{"name", b.r.Name}, {"kernel", id.Release}, {"vermagic", id.Vermagic}, {"build-id", id.BuildID}, {"compiler", id.Compiler},
		{"configuration", id.Config}, {"source", id.Tree}, {"file", m.Name}, {"SHA-256", m.SHA256},
	}
	if m.Size > 0 {
		list = append(list, fact{"bytes", fmt.Sprint(m.Size)})
	}
	if u := b.r.Update; u != nil {
		list = append(list, fact{"ID", u.ID})
	}
	if !b.d.Began.IsZero() {
		list = append(list, fact{"made", b.d.Began.UTC().Format(time.RFC3339)})
	}
	out := list[:0]
	for _, f := range list {
		if f.Value != "" {
			out = append(out, fact{f.Name, web.Text(f.Value)})
		}
	}
	return out
}

// findings lists the gravest first.
func (b *pageBuilder) findings(g *page) {
	for _, s := range []elfdiff.Severity{elfdiff.Refused, elfdiff.NeedsJudgement, elfdiff.Carried, elfdiff.Ignored} {
		for _, x := range b.r.Refusals {
			if x.Severity == s {
				v := b.finding(&x.Finding, "")
				v.Message = web.Text(x.Text())
				g.Findings.add(v)
			}
		}
		for i := range b.r.Objects {
			o := &b.r.Objects[i]
			b.some(g, s, o.Findings, o.Object)
		}
		if b.r.Update != nil {
			b.some(g, s, b.r.Update.Findings, "")
		}
		if b.r.Update == nil {
			b.some(g, s, b.r.Findings, "")
		}
	}
}

// some adds those of a list with a severity.
func (b *pageBuilder) some(g *page, s elfdiff.Severity, list []elfdiff.Finding, where string) {
	for i := range list {
		if list[i].Severity == s {
			g.Findings.add(b.finding(&list[i], where))
		}
	}
}

func (b *pageBuilder) finding(f *elfdiff.Finding, where string) findingView {
	l := severityLooks[f.Severity]
	v := findingView{
		Class: l.class, Severity: l.word, Code: web.Name(string(f.Code)), Symbol: web.Name(f.Symbol), Message: web.Text(f.Message),
		Hint: web.Text(b.ways.hint(f.Hint)), Accepted: f.Accepted, Where: web.Name(where),
	}
	if f.Section != "" {
		v.Place = fmt.Sprintf("%s+%#x", web.Name(f.Section), f.Offset)
	}
	if f.Accept != "" {
		v.Accept, v.Comes = b.ways.accept+" "+v.Code, web.Text(f.Accept)
	}
	return v
}

func patchOf(p *source.PatchResult) patchView {
	l := presenceLooks[p.In]
	return patchView{
		badge: badge{l.class, l.word, l.text}, Name: web.Name(p.Name), Subject: web.Text(p.Subject), Author: web.Name(p.Author),
		CVEs: names(p.CVEs), Fixes: names(p.Fixes), Reasons: texts(p.Reasons), Needs: web.Text(strings.Join(p.Needs, ", ")), Digest: web.Name(p.Digest),
	}
}

func (b *pageBuilder) object(o *source.ObjectResult) objectView {
	l := objectLook(o.Outcome)
	v := objectView{
		badge: l, Object: web.Name(o.Object), Source: web.Name(o.Source), Target: web.Name(target(o.Target)), Aside: len(o.SetAside),
		Pre: web.Name(o.Pre.Digest), Post: web.Name(o.Post.Digest),
	}
	for i, c := range o.Changes {
		if i == maxChanges || b.room == 0 {
			v.More = len(o.Changes) - i
			break
		}
		b.room--
		v.Changes = append(v.Changes, changeView{web.Name(c.Name), web.Name(c.Kind), web.Name(c.Status), web.Text(c.Why)})
	}
	if d := o.Pre.Elapsed + o.Post.Elapsed; d > 0 {
		v.Time = short(d)
	}
	return v
}

// objectLook is how the outcome of a comparison is shown.
func objectLook(o elfdiff.Outcome) badge {
	class := string(o)
	if o == elfdiff.OutcomeIgnored {
		class = "same"
	}
	return badge{Class: web.Name(class), Word: web.Name(string(o))}
}

func (b *pageBuilder) affected(g *page) {
	for i := range b.r.Affected {
		a := &b.r.Affected[i]
		v := affectedView{Name: web.Name(a.Name), Kind: web.Name(fmt.Sprint(a.Kind))}
		for _, list := range [][]string{a.Files, a.Functions, a.Places} {
			v.Where = append(v.Where, names(list[:min(len(list), maxChanges)])...)
		}
		g.Affected.add(v)
	}
}

func names(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = web.Name(s)
	}
	return out
}

func texts(list []string) []string {
	out := slices.Clone(list)
	for i, s := range list {
		out[i] = web.Text(s)
	}
	return out
}
