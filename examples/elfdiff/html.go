package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/files"
)

// The page is one file: style and script stand in it, and nothing is fetched.
var (
	//go:embed html_page.tmpl
	pageTemplate string
	//go:embed html_page.css
	pageStyle string
	//go:embed html_page.js
	pageScript string
)

// writeHTML writes the diff as a page for reviewers. The file is there as a
// whole, or not at all.
func writeHTML(name string, d *elfdiff.Diff, opt options) error {
	return writePage(name, renderHTML(d, opt), opt.pre, opt.post)
}

func writePage(name string, r *rendered, inputs ...string) error {
	if r.err != nil {
		return fmt.Errorf("write %s: %w", name, r.err)
	}
	return files.Write(name, r, inputs...)
}

// renderHTML returns the page, the same bytes for the same objects and sources.
func renderHTML(d *elfdiff.Diff, opt options) *rendered {
	return render("page", newPage(d, opt).page())
}

// rendered is a page that is written when it is known to be whole.
type rendered struct {
	bytes.Buffer
	err error
}

// document is what every page has.
type document struct {
	Style  template.CSS
	Script template.JS
	Policy string
	Data   any
}

func render(name string, data any) *rendered {
	r := new(rendered)
	t, err := template.New("").Parse(pageTemplate)
	if err != nil {
		r.err = err
		return r
	}
	doc := document{template.CSS(pageStyle), template.JS(pageScript), policy(), data}
	r.err = t.ExecuteTemplate(&r.Buffer, name, doc)
	return r
}

// policy is the content security policy of the page (CSP Level 3): its own
// style and script, and nothing else from anywhere.
func policy() string {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(pageStyle) + "; script-src " + hash(pageScript) + "; base-uri 'none'; form-action 'none'"
}
