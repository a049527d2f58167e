package report

import (
	"fmt"
	"time"

	"github.com/gosplice/gosplice/internal/web"
	"github.com/gosplice/gosplice/internal/words"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
)

// updateView is what a module does.
type updateView struct {
	Functions table[functionView]
	Data      []fact
	RefersTo  string
	Pinned    bool
	Pins      []string
	Signed    bool
}

// functionView is a function that is replaced, and what of it was verified.
type functionView struct {
	Name, Where, Method, By string
	Verified, Masked        uint64
}

func updateOf(m *module.Module) *updateView {
	if m == nil {
		return nil
	}
	v := &updateView{RefersTo: refersTo(m), Pinned: m.Pinned, Signed: m.Signed}
	for i := range m.Functions {
		f := &m.Functions[i]
		row := functionView{Name: web.Name(f.Name), Where: fmt.Sprintf("%#x", f.Addr), Method: web.Name(f.Method), By: web.Name(f.By), Verified: f.Size - f.Masked, Masked: f.Masked}
		if f.Position > 0 {
			row.Name += fmt.Sprintf(" (number %d of that name)", f.Position)
		}
		if f.Module != "" {
			row.Where = web.Name(f.Module)
		}
		v.Functions.add(row)
	}
	for i := range m.Data {
		v.Data = append(v.Data, fact{web.Name(m.Data[i].Name), fmt.Sprintf("overwritten: %s verified at load, restored when it is disabled", web.Plural(int(m.Data[i].Size), "byte"))})
	}
	for i := range m.Initials {
		v.Data = append(v.Data, fact{web.Name(m.Initials[i].Name), "set where it holds its old initial value, until it is disabled"})
	}
	for i := range m.Pins {
		v.Pins = append(v.Pins, web.Text(m.Pins[i].String()))
	}
	return v
}

// tilesOf are the numbers at the top.
func tilesOf(r *source.Result, g *page, elapsed time.Duration) []web.Tile {
	n := map[source.Presence]int{}
	for i := range r.Patches {
		n[r.Patches[i].In]++
	}
	changed := 0
	for i := range r.Objects {
		if len(r.Objects[i].Changes) > 0 {
			changed++
		}
	}
	place := "#update"
	if len(g.Programs) > 0 {
		place = "#programs"
	}
	patches := web.NewTile("patches", "#patches", web.NewNumber(n[source.Whole], "in", "carried"))
	for _, in := range []source.Presence{source.Partly, source.Nothing} {
		if l := presenceLooks[in]; n[in] > 0 {
			patches.Numbers = append(patches.Numbers, web.NewNumber(n[in], l.text, l.class))
		}
	}
	out := []web.Tile{
		patches,
		web.NewTile("objects", "#objects", web.NewNumber(len(r.Objects), "compiled", ""), web.NewNumber(changed, "changed", "changed")),
		web.NewTile("functions", place, web.NewNumber(replaced(r), "replaced", "carried")),
		web.NewTile("in the way", "#findings", web.NewNumber(len(r.Refusals), words.Nouns(len(r.Refusals), "reason"), "refused")),
	}
	if elapsed > 0 {
		out = append(out, web.Tile{Label: "time", Href: "#times", Numbers: []web.Number{{N: short(elapsed)}}})
	}
	there := map[string]bool{
		"#patches": g.Patches.Len() > 0, "#objects": g.Objects.Len() > 0, "#update": g.Update != nil, "#programs": len(g.Programs) > 0, "#findings": g.Findings.Len() > 0,
		"#times": len(g.Stages) > 0,
	}
	for i := range out {
		if !there[out[i].Href] {
			out[i].Href = ""
		}
	}
	return out
}
