// Package webtest checks pages that are one file each, for tests.
package webtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// attributes that make a browser fetch something.
var fetching = map[string]bool{"src": true, "srcset": true, "data": true, "action": true, "poster": true, "background": true, "ping": true}

// Check demands a page that is well-formed, names each place once, leads
// nowhere but to its own places and the pages that go with it, and fetches and
// runs nothing but what it has.
func Check(t testing.TB, text string, pages ...string) {
	t.Helper()
	ids, links := map[string]bool{}, map[string]bool{}
	policy, elements := "", map[string]string{}
	dec := xml.NewDecoder(strings.NewReader(text))
	var last string
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch tok := tok.(type) {
		case xml.CharData:
			if last == "style" || last == "script" {
				elements[last] += string(tok)
			}
		case xml.EndElement:
			last = ""
		case xml.StartElement:
			last = tok.Name.Local
			switch last {
			case "img", "iframe", "object", "embed", "link", "base", "form", "video", "audio", "svg":
				t.Errorf("an element <%s>", last)
			}
			for _, a := range tok.Attr {
				switch name := a.Name.Local; {
				case fetching[name] || strings.HasPrefix(name, "on") || name == "style":
					t.Errorf("<%s %s=%q>", last, name, a.Value)
				case name == "href" && strings.HasPrefix(a.Value, "#"):
					links[a.Value[1:]] = true
				case name == "href" && !slices.Contains(pages, a.Value):
					t.Errorf("a link to %q", a.Value)
				case name == "id" && ids[a.Value]:
					t.Errorf("two places are called %q", a.Value)
				case name == "id":
					ids[a.Value] = true
				case name == "content" && strings.HasPrefix(a.Value, "default-src"):
					policy = a.Value
				}
			}
		}
	}
	for l := range links {
		if !ids[l] {
			t.Errorf("a link to #%s, which is nowhere", l)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none';") {
		t.Errorf("policy %q", policy)
	}
	for _, name := range []string{"style", "script"} {
		sum := sha256.Sum256([]byte(elements[name]))
		if hash := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(policy, name+"-src 'sha256-"+hash+"'") {
			t.Errorf("the policy does not allow the page's own %s", name)
		}
	}
	if m := regexp.MustCompile(`url\(|@import|https?:`).FindString(elements["style"] + elements["script"]); m != "" {
		t.Errorf("%s in style or script", m)
	}
}
