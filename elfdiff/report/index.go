package report

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/web"
)

// IndexName is the name of the index in a folder of pages.
const IndexName = "index.html"

const pageSuffix = ".html"

// index is the page that leads to those of the pairs.
type index struct {
	Title     string
	Facts     []fact
	Tiles     []web.Tile
	Groups    []group
	Alone     []string
	AloneMore int
}

// group are the pairs of one outcome.
type group struct {
	ID, Class, Word, Text string
	Folded                bool
	Pairs                 []indexed
	More                  int
}

// indexed is a row of the index.
type indexed struct {
	Href, Path, Error string
	Codes             []string
	Names             []string
	Functions, Data   [3]int // changed, new and removed
}

// outcomeTexts say the outcomes in words.
var outcomeTexts = map[elfdiff.Outcome][3]string{ // class, word, what it means
	OutcomeError:           {"refused", "error", "can't be read or compared"},
	elfdiff.OutcomeRefused: {"refused", "refused", "can't be carried as they are"},
	elfdiff.OutcomeJudge:   {"judge", "to judge", "a person has to accept something first"},
	elfdiff.OutcomeCarried: {"carried", "carried", "all changes can be carried"},
	elfdiff.OutcomeIgnored: {"same", "nothing to carry", "what differs has no bearing on what runs"},
	elfdiff.OutcomeSame:    {"same", "no change", "nothing but incidental differences"},
}

const maxIndexed = 20_000

func newIndex(f *Folders) *index {
	pairs, alone := f.Pairs, f.Alone
	x := &index{
		Title: web.Name(strings.TrimSuffix(filepath.Base(f.pre)+" → "+filepath.Base(f.post), "/")),
		Facts: []fact{{"folder", web.Text(f.pre), web.Text(f.post)}},
	}
	for _, o := range outcomes {
		t := outcomeTexts[o]
		g := group{ID: string(o), Class: t[0], Word: t[1], Text: t[2], Folded: o == elfdiff.OutcomeSame}
		for i := range pairs {
			switch {
			case pairs[i].Outcome != o:
			case len(g.Pairs) >= maxIndexed:
				g.More++
			default:
				g.Pairs = append(g.Pairs, pairs[i].indexed())
			}
		}
		if n := len(g.Pairs) + g.More; n > 0 {
			x.Groups = append(x.Groups, g)
			x.Tiles = append(x.Tiles, web.NewTile(t[2], "#"+g.ID, web.NewNumber(n, t[1], t[0])))
		}
	}
	for i, name := range alone {
		if i == maxNames {
			x.AloneMore = len(alone) - i
			break
		}
		x.Alone = append(x.Alone, web.Name(name))
	}
	return x
}

func (r *Pair) indexed() indexed {
	v := indexed{Path: web.Name(r.Path), Error: web.Text(r.Error), Codes: r.codes()}
	if r.Error == "" {
		v.Href = (&url.URL{Path: filepath.ToSlash(r.Path) + pageSuffix}).String()
	}
	for _, name := range r.names(8) {
		v.Names = append(v.Names, web.Name(name))
	}
	statuses := []verdict.Status{verdict.Changed, verdict.New, verdict.Removed}
	for k, list := range [][]Change{r.Functions, r.Data} {
		n := [2]*[3]int{&v.Functions, &v.Data}[k]
		for i := range list {
			if s := slices.Index(statuses, list[i].Status); s >= 0 {
				n[s]++
			}
		}
	}
	return v
}
