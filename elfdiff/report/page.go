package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/web"
)

// page is what the template shows.
type page struct {
	Title      string
	Up         string // a link to the index of pages
	Ways       string // what shows all
	Outcome    outcome
	Facts      []fact
	Tiles      []web.Tile
	Findings   []finding
	More       int   // findings that are not shown
	Severities []int // how many of each, as in severities
	Sections   []section
	Left       int // changes that are not shown
	Travels    []cargo
	Needs      []string
	Quiet      []quiet
	QuietMore  int
	Types      []typeView // that matter to changed code
	Aside      []typeView // others
	TypesMore  int
	TypesNote  string
	Same       int
	HasLines   bool // there may be lines of source in the listings
}

// outcome is the verdict on the pair.
type outcome struct{ Class, Word, Text string }

// fact is a row of the table at the top: one value, or pre's and post's.
type fact struct{ Name, Pre, Post string }

// finding is what a person should know, or why the change can't be carried.
type finding struct {
	ID, Class, Severity string
	Code, Symbol, Href  string
	Place, Hint         string
	Message             []part
	HintWord            string
	Accept, Comes       string // the option, and what comes of it
	Accepted            bool
}

// cargo is a group of what travels.
type cargo struct {
	Kind  string
	Count int
	Bytes string
	Names []link
	More  int
}

type link struct{ Href, Name, Title string }

// quiet is a function or object that differs without being changed.
type quiet struct {
	Name string
	Why  []why
	More int
}

// Bounds of the page. A row takes about 250 bytes.
const (
	maxRows     = 40_000
	maxFindings = 1_000
	maxSections = 2_000
	maxQuiet    = 300
	maxReasons  = 4
	maxNames    = 400
)

// pageBuilder collects a page.
type pageBuilder struct {
	d         *elfdiff.Diff
	opt       HTMLOptions
	ways      *ways
	src       *sources
	positions [2]*elfdiff.Positions // nil without debug information
	room      int                   // rows that may still be shown
	anchors   web.Anchors
	// ids are the sections of changed functions and objects, by the atoms of
	// pre and post.
	ids   [2]map[object.AtomID]string
	names map[string]string // links to the sections by name
}

func newPage(d *elfdiff.Diff, opt HTMLOptions) *pageBuilder {
	p := &pageBuilder{
		d: d, opt: opt, ways: waysIn(opt.Flags), src: newSources(opt.PreSource, cmp.Or(opt.PostSource, opt.PreSource)),
		room: maxRows, anchors: web.Anchors{}, names: map[string]string{},
	}
	for i, o := range [2]*object.Object{d.Pre, d.Post} {
		p.positions[i], _ = elfdiff.PositionsOf(o) // without them there is no source
		p.ids[i] = map[object.AtomID]string{}
	}
	return p
}

// page puts the page together.
func (p *pageBuilder) page() *page {
	g := &page{Title: web.Name(titleOf(p.d)), Up: p.opt.Index, Ways: p.ways.text}
	changes := p.changes(g)
	p.types(g)
	for _, c := range changes {
		g.Sections = append(g.Sections, p.section(c.id, c.ch))
	}
	g.HasLines = p.positions[0] != nil || p.positions[1] != nil
	p.findings(g)
	p.travels(g)
	p.quiet(g)
	g.Outcome = p.outcome()
	g.Facts = p.facts()
	g.Tiles = p.tiles(g)
	return g
}

// titleOf names the pair by what the paths of both have in common.
func titleOf(d *elfdiff.Diff) string {
	a, b := strings.Split(d.Pre.Name(), "/"), strings.Split(d.Post.Name(), "/")
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	if n == 0 {
		return a[len(a)-1] + " → " + b[len(b)-1]
	}
	return strings.TrimPrefix(strings.Join(a[len(a)-n:], "/"), "/")
}

type change struct {
	id string
	ch *verdict.Change
}

// changes lists what is shown: functions before data, what changed before what
// is new or gone, and what follows another change behind that.
func (p *pageBuilder) changes(g *page) []change {
	var out []change
	for _, list := range [][]verdict.Change{p.d.Functions, p.d.Data} {
		var shown []*verdict.Change
		for i := range list {
			if list[i].Status != verdict.Same {
				shown = append(shown, &list[i])
			}
		}
		slices.SortStableFunc(shown, func(a, b *verdict.Change) int {
			return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(p.order(a), p.order(b)))
		})
		for _, ch := range shown {
			if len(out) >= maxSections {
				g.Left++
				continue
			}
			prefix := "d-"
			if ch.Kind == object.Func {
				prefix = "f-"
			}
			c := change{p.anchors.Make(prefix, ch.Name), ch}
			out = append(out, c)
			p.ids[0][ch.Pre], p.ids[1][ch.Post] = c.id, c.id
			if _, ok := p.names[ch.Name]; !ok {
				p.names[ch.Name] = "#" + c.id
			}
		}
	}
	for i := range p.ids {
		delete(p.ids[i], object.NoAtom)
	}
	return out
}

// order puts cold parts behind the functions that they belong to.
func (p *pageBuilder) order(ch *verdict.Change) int {
	a := p.d.Post.Atom(ch.Post)
	switch {
	case follows(ch):
		return 2
	case a != nil && a.Kind == object.Func && a.Owner != object.NoAtom:
		return 1
	}
	return 0
}

// linked is a sentence with links to the sections that it names.
func (p *pageBuilder) linked(text string) []part {
	list := tokenize(web.Text(text))
	for i := range list {
		list[i].class, list[i].href = "", p.names[list[i].text]
	}
	return join(list)
}

// refName names what a reference means, and the section that shows it.
func (p *pageBuilder) refName(o *object.Object, side int, r *object.Ref) (name, href string) {
	if r.Target == object.NoAtom {
		return web.Text(o.Symbol(r.Sym).Name), ""
	}
	if id, ok := p.ids[side][r.Target]; ok {
		href = "#" + id
	}
	return web.Text(o.Atom(r.Target).Name), href
}
