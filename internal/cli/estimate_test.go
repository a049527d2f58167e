package cli

import (
	"bytes"
	"testing"
	"time"
)

// TestEstimate tells what is left once parts are done, and begins anew with another stage.
func TestEstimate(t *testing.T) {
	var e estimate
	start := time.Now()
	for _, c := range []struct {
		at          time.Duration
		stage       string
		done, total int
		want        string
	}{
		{0, "plan", 0, 1, "plan"},
		{0, "compile", 0, 50, "compile, 0 of 50"},
		{time.Second, "compile", 1, 50, "compile, 1 of 50"},
		{10 * time.Second, "compile", 10, 50, "compile, 10 of 50, 40 s left"},
		{20 * time.Second, "compile", 10, 50, "compile, 10 of 50, 1 min left"},
		{49 * time.Second, "compile", 49, 50, "compile, 49 of 50"},
		{50 * time.Second, "compile", 0, 50, "compile, 0 of 50"}, // of another patch
		{60 * time.Second, "link", 4, 100, "link, 4 of 100"},
		{70 * time.Second, "link", 5, 100, "link, 5 of 100, 16 min left"},
		{1000 * time.Second, "link", 6, 1000, "link, 6 of 1000"},
		{9000 * time.Second, "link", 106, 1000, "link, 106 of 1000, 19.9 h left"},
	} {
		if got := e.tell(start.Add(c.at), c.stage, c.done, c.total); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestPart shows the whole before the stage.
func TestPart(t *testing.T) {
	p := &Progress{w: &bytes.Buffer{}}
	for _, c := range []struct {
		do   func()
		want string
	}{
		{func() { p.Tell("open", 0, 1) }, "open"},
		{func() { p.Part("patches", 1, 3) }, "patches, 1 of 3"},
		{func() { p.Tell("compile", 2, 5) }, "patches, 1 of 3: compile, 2 of 5"},
		{func() { p.Part("patches", 2, 3) }, "patches, 2 of 3"},
		{func() { p.Step("linking %s", "x") }, "patches, 2 of 3: linking x"},
	} {
		if c.do(); p.shown() != c.want {
			t.Errorf("%q, want %q", p.shown(), c.want)
		}
	}
}
