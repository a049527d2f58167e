package report

import (
	_ "embed"
	"io"

	"github.com/gosplice/gosplice/internal/web"
)

var (
	//go:embed page.tmpl
	pageTemplate string
	//go:embed page.css
	pageStyle string
)

// HTMLOptions say what is around a page.
type HTMLOptions struct {
	// Index is a link to the page of a table, "" for none.
	Index string
	// Flags has hints name the flags of the command mkupdate, not options in Go.
	Flags bool
}

// A Page is a document or a table as HTML: one file with its style and script, which
// fetches nothing.
type Page struct{ text []byte }

// WriteTo writes the page.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(p.text)
	return int64(n), err
}

// NewPage makes the page of a document. Its size is bounded: what is left out is said.
func NewPage(d *Document, opt HTMLOptions) (*Page, error) {
	d = given(d)
	b := &pageBuilder{d: d, r: d.Result, opt: opt, ways: waysIn(opt.Flags), room: maxAllChanges}
	return render("page", b.page())
}

// NewTablePage makes the page of a table, which leads to those of its rows.
func NewTablePage(t *Table) (*Page, error) {
	if t == nil {
		t = NewTable()
	}
	return render("table", tablePage(t))
}

// HTML writes a document as a [Page].
func HTML(w io.Writer, d *Document, opt HTMLOptions) error {
	p, err := NewPage(d, opt)
	if err != nil {
		return err
	}
	_, err = p.WriteTo(w)
	return err
}

func render(name string, data any) (*Page, error) {
	text, err := web.Site{Tool: "mkupdate", Templates: pageTemplate, Style: pageStyle}.Render(name, data)
	if err != nil {
		return nil, err
	}
	return &Page{text}, nil
}
