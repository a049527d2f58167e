// Package web makes pages that are one file each: style and script stand in it, nothing is
// fetched, and nothing runs but what it has (Content Security Policy Level 3). Names and
// texts in it may be hostile.
package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
)

var (
	//go:embed page.tmpl
	pageTemplate string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string
)

// A Site is what the pages of one tool have in common.
type Site struct {
	Tool string // its name
	// Templates defines the pages. A page begins with the template "head" and ends with
	// "foot"; "tiles" takes a list of [Tile].
	Templates string
	Style     string // goes behind the style that all pages have
}

// document is what every page has.
type document struct {
	Tool   string
	Style  template.CSS
	Script template.JS
	Policy string
	Data   any
}

// A Tile is a group of numbers at the top of a page.
type Tile struct {
	Label, Href string // Href is "" for one that leads nowhere
	Numbers     []Number
}

// NewTile returns a tile.
func NewTile(label, href string, numbers ...Number) Tile { return Tile{label, href, numbers} }

// A Number is one of a [Tile].
type Number struct{ N, Label, Class string }

// NewNumber returns a number, in a colour: that of "refused", "judge", "carried", "new",
// "changed" or "removed", or none. Zero has none.
func NewNumber(n int, label, class string) Number {
	if n == 0 {
		class = "zero"
	}
	return Number{Thousands(n), label, class}
}

// Render returns a page as a whole, or an error. Data has a field Title.
func (s Site) Render(name string, data any) ([]byte, error) {
	t, err := template.New("").Parse(pageTemplate)
	if err == nil {
		t, err = t.Parse(s.Templates)
	}
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	style := pageStyle + s.Style
	doc := document{s.Tool, template.CSS(style), template.JS(pageScript), policy(style), data}
	if err := t.ExecuteTemplate(&b, name, doc); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// policy is the content security policy of a page: its own style and script, and nothing
// else from anywhere.
func policy(style string) string {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(pageScript) + "; base-uri 'none'; form-action 'none'"
}
