package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestText has what a terminal would obey made visible, but for the writer's own
// colours.
func TestText(t *testing.T) {
	d := diffOf(t, "pre.o", "post.o", func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("\x00serve\x00"), []byte("\x00s\x1b[2m\x00"))
	})
	for _, c := range []struct {
		opt       TextOptions
		want, not string
	}{
		{TextOptions{}, "\nchanged function s\\u001b[2m  ", "\x1b"},
		{TextOptions{Color: true}, "\n\x1b[33mchanged\x1b[0m function \x1b[1ms\\u001b[2m", "\x1b[2m\x1b"},
		{TextOptions{Color: true, Escape: "<e>"}, "<e>[33mchanged<e>[0m", "\x1b"},
		{TextOptions{Object: "out.o", Page: "p.html"}, "written to out.o", "imul"},
		{TextOptions{Page: "p.html"}, "the listings are in p.html", "imul"},
		{TextOptions{}, "... 3 equal", "same function"},
		{TextOptions{All: true}, "same function", "\x1b"},
	} {
		var b strings.Builder
		if err := Text(&b, d, c.opt); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), c.want) || strings.Contains(b.String(), c.not) {
			t.Errorf("%+v: want %q and not %q in\n%q", c.opt, c.want, c.not, &b)
		}
	}
}

// TestJSON writes a document, and reads it again.
func TestJSON(t *testing.T) {
	d := diffOf(t, "pre.o", "post.o", nil)
	for _, opt := range []JSONOptions{{}, {All: true}, {All: true, Explain: true}} {
		var b bytes.Buffer
		if err := JSON(&b, d, opt); err != nil {
			t.Fatal(err)
		}
		var back Diff
		if err := json.Unmarshal(b.Bytes(), &back); err != nil {
			t.Fatalf("%v\n%s", err, &b)
		}
		if diff := cmp.Diff(*New(d, opt), back, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if back.Schema != Schema || strings.Contains(b.String(), "null") {
			t.Errorf("%s", &b)
		}
	}
}
