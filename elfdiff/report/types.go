package report

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/listing"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/internal/web"
)

// typeView is a type that means something else in post.
type typeView struct {
	ID, Kind, Name string
	Sizes          string
	Uses           []useView
	More           int // uses that are not shown
	Blocks         []block
}

// useView is a changed function or object that the type matters to.
type useView struct {
	Href, Symbol, Via string
	Touched           bool
}

// typeKinds say in words what changed.
var typeKinds = map[types.Kind]string{
	types.LayoutChanged:    "layout",
	types.EnumChanged:      "enumeration",
	types.SignatureChanged: "signature",
	types.ConstantChanged:  "constant",
}

// Bounds of what is shown of types.
const (
	maxTypes = 200
	maxUses  = 40
)

// types lists what means something else, that which matters to changed code
// first.
func (p *pageBuilder) types(g *page) {
	list, err := p.d.Types()
	if err != nil {
		g.TypesNote = "Whether types mean something else in post is not known: " + web.Text(err.Error())
		return
	}
	for _, matters := range []bool{true, false} {
		for i := range list {
			t := &list[i]
			switch {
			case t.Matters() != matters:
			case len(g.Types)+len(g.Aside) >= maxTypes || p.room <= 0:
				g.TypesMore++
			case matters:
				g.Types = append(g.Types, p.typeView(t))
			default:
				g.Aside = append(g.Aside, p.typeView(t))
			}
		}
	}
}

func (p *pageBuilder) typeView(t *types.Change) typeView {
	v := typeView{ID: p.anchors.Make("t-", t.Name), Kind: typeKinds[t.Kind], Name: web.Name(t.Name)}
	if p.names[t.Name] == "" {
		p.names[t.Name] = "#" + v.ID
	}
	switch {
	case t.Pre.Size != t.Post.Size:
		v.Sizes = fmt.Sprintf("%d → %d bytes", t.Pre.Size, t.Post.Size)
	case t.Pre.Size > 0:
		v.Sizes = web.Plural(int(t.Pre.Size), "byte")
	}
	for i := range t.Uses {
		if i == maxUses {
			v.More = len(t.Uses) - i
			break
		}
		u := &t.Uses[i]
		v.Uses = append(v.Uses, useView{p.names[u.Symbol], web.Name(u.Symbol), web.Name(u.Via), u.Touched})
	}
	rows := layoutRows(t)
	if n := cost(rows); n <= p.room {
		p.room -= n
		v.Blocks = fold(rows, "other member")
	}
	return v
}

// layoutRows puts the members of both sides beside each other. What was only
// moved along with what is in front of it is marked, but not kept in sight.
func layoutRows(t *types.Change) []row {
	var rows []row
	for _, m := range listing.RowsOf(t) {
		switch {
		case m.Pre == nil && m.Post == nil:
		case m.Pre == nil:
			rows = append(rows, row{Class: "r", Mark: ">", Right: memberCell(t, m.Post), differs: true})
		case m.Post == nil:
			rows = append(rows, row{Class: "l", Mark: "<", Left: memberCell(t, m.Pre), differs: true})
		default:
			rows = append(rows, memberRow(t, m.Pre, m.Post, m.What))
		}
	}
	for k := range rows { // the first of those that moved together
		if rows[k].Class == "v" && (k == 0 || rows[k-1].Class == "") {
			rows[k].differs = true
		}
	}
	return rows
}

func memberRow(t *types.Change, a, b *types.Member, what types.What) row {
	r := row{Left: memberCell(t, a), Right: memberCell(t, b)}
	switch what {
	case "":
		return r
	case types.MemberMoved:
		r.Class, r.Mark, r.Title = "v", "↕", "moved"
		r.differs = t.Kind != types.LayoutChanged
		if !r.differs {
			return r
		}
	}
	r.Class, r.Mark, r.Title, r.differs = "c", "|", string(what), true
	x, y := tokenize(plainText(r.Left.Parts)), tokenize(plainText(r.Right.Parts))
	differLines(x, y)
	r.Left.Parts, r.Right.Parts = join(x), join(y)
	return r
}

func plainText(list []part) string {
	s := ""
	for i := range list {
		s += list[i].Text
	}
	return s
}

// memberCell shows a member, a constant of an enumeration or a parameter.
func memberCell(t *types.Change, m *types.Member) cell {
	name, typ := web.Name(m.Name), web.Name(m.Type)
	switch t.Kind {
	case types.EnumChanged, types.ConstantChanged:
		return cell{Parts: []part{{Text: fmt.Sprintf("%s = %d", name, m.Value)}}}
	case types.SignatureChanged:
		if name != "" {
			typ += " "
		}
		return cell{Parts: []part{{Text: typ + name}}}
	}
	c := cell{Off: fmt.Sprintf("%x", m.Offset), Parts: []part{{Text: typ + " " + name}}}
	if m.Bits > 0 {
		c.Off += fmt.Sprintf(":%d", m.Bit)
		c.Parts[0].Text += fmt.Sprintf(" : %d", m.Bits)
	}
	return c
}
