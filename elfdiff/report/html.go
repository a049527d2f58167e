package report

import (
	_ "embed"
	"io"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/web"
)

// The page is one file: style and script stand in it, and nothing is fetched.
var (
	//go:embed page.tmpl
	pageTemplate string
	//go:embed page.css
	pageStyle string
)

// render returns a page as a whole, or an error.
func render(name string, data any) ([]byte, error) {
	return web.Site{Tool: "elfdiff", Templates: pageTemplate, Style: pageStyle}.Render(name, data)
}

// HTMLOptions say where a page finds the source, and what is around it.
type HTMLOptions struct {
	// PreSource and PostSource are folders below which the source text of pre and
	// of post is looked for, by its path in the tree that was compiled, before where
	// the debug information says it is; "" for none. PostSource is PreSource unless
	// given. Nothing is read but regular files whose names end as those of sources do.
	PreSource, PostSource string
	// Index is a link to the index of pages, "" for none.
	Index string
	// Flags has hints name the flags of the command elfdiff, not options in Go.
	Flags bool
}

// A Page is a comparison as HTML: one file with its style and script, which fetches
// nothing.
type Page struct {
	// Types is how many types matter to changed code, of those that are shown.
	Types int

	text []byte
}

// HTML writes a comparison as a [Page].
func HTML(w io.Writer, d *elfdiff.Diff, opt HTMLOptions) error {
	p, err := NewPage(d, opt)
	if err != nil {
		return err
	}
	_, err = p.WriteTo(w)
	return err
}

// NewPage makes the page of a comparison. It reads the objects anew for their
// digests, where they were opened from files, and the source. Its size is bounded:
// what is left out is said.
func NewPage(d *elfdiff.Diff, opt HTMLOptions) (*Page, error) {
	if !given(d) {
		return nil, errNoDiff
	}
	g := newPage(d, opt).page()
	text, err := render("page", g)
	return &Page{len(g.Types), text}, err
}

// WriteTo writes the page.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(p.text)
	return int64(n), err
}
