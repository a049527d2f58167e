package report

import (
	"net/url"
	"strings"

	"github.com/gosplice/gosplice/internal/web"
	"github.com/gosplice/gosplice/splice/source"
)

// tableView is the page of a table.
type tableView struct {
	Title string
	Tiles []web.Tile
	Share string
	Tried string
	// Failure is what ended the work.
	Failure []fact
	Codes   []fact
	Rows    table[rowView]
}

// rowView is a row of it.
type rowView struct {
	badge
	Href, Name, Subject string
	Patches             string
	CVEs, Codes         []string
	Targets, Why        string
	Objects, Functions  int
	Time                string
	Trial               badge // empty when nobody tried it
}

func tablePage(t *Table) *tableView {
	v := &tableView{Title: web.Name(count(len(t.Rows), "result")), Share: t.share(), Tried: t.tried(), Failure: failureFacts(t.Failure)}
	if len(t.Kernels) > 0 {
		v.Title = web.Name(v.Title + " for " + strings.Join(t.Kernels, ", "))
	}
	for _, c := range t.Outcomes {
		l := outcomeLook(source.Outcome(c.Word))
		v.Tiles = append(v.Tiles, web.NewTile(l.text, "", web.NewNumber(c.Rows, web.Name(l.word), l.class)))
	}
	for _, c := range t.Codes {
		v.Codes = append(v.Codes, fact{web.Name(c.Word), count(c.Rows, "result")})
	}
	for i := range t.Rows {
		v.Rows.add(viewOf(&t.Rows[i]))
	}
	return v
}

func viewOf(r *Row) rowView {
	l := outcomeLook(r.Outcome)
	v := rowView{
		badge: badge{l.class, web.Name(l.word), l.text}, Name: web.Name(r.Name), Subject: web.Text(r.Subject), Patches: web.Text(strings.Join(r.Patches, ", ")), CVEs: names(r.CVEs), Codes: names(r.Codes),
		Targets: web.Text(strings.Join(r.Targets, " ")), Why: web.Text(r.Error), Objects: r.Objects, Functions: r.Functions,
	}
	if r.Page != "" && !strings.ContainsAny(r.Page, "/\\") { // a file beside this one, and nothing else
		v.Href = (&url.URL{Path: "./" + r.Page}).String()
	}
	switch r.Trial {
	case TrialPassed:
		v.Trial = badge{"carried", TrialPassed, "tried in a guest"}
	case TrialFailed:
		v.Trial = badge{"refused", TrialFailed, "tried in a guest"}
	}
	if r.Elapsed > 0 {
		v.Time = short(r.Elapsed)
	}
	return v
}
