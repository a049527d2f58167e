package web_test

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/webtest"
	"github.com/gosplice/gosplice/internal/web"
	"github.com/gosplice/gosplice/internal/words"
)

const templates = `{{define "x"}}{{template "head" .}}
<body><h1 id="top">{{.Data.Title}}</h1>{{template "tiles" .Data.Tiles}}{{template "foot" .}}{{end}}`

type page struct {
	Title string
	Tiles []web.Tile
}

// TestRender makes a page of hostile text, and does not make one of what is wrong.
func TestRender(t *testing.T) {
	site := web.Site{Tool: "tool", Templates: templates, Style: ".x { color: red; }"}
	p := page{web.Name("<i>\x1b\u202e" + strings.Repeat("x", 300)), []web.Tile{web.NewTile("a", "#top", web.NewNumber(12345, words.Nouns(2, "body"), ""))}}
	text, err := site.Render("x", p)
	if err != nil {
		t.Fatal(err)
	}
	webtest.Check(t, string(text))
	for _, want := range []string{"&lt;i&gt;", `\u{1b}\u{202e}x`, "… (307 bytes)", "12\u202f345", "bodies", " · tool</title>", ".x { color: red; }"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q", want)
		}
	}
	for _, bad := range []web.Site{{Templates: "{{"}, {Templates: `{{define "y"}}{{end}}`}} {
		if _, err := bad.Render("x", p); err == nil {
			t.Errorf("%+v makes a page", bad)
		}
	}
}
