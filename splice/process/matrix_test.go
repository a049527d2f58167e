//go:build linux && amd64

package process

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
)

// patch is a change of testdata/NAME.c and what it does to answers, as
// "request:answer|request:answer".
type patch struct {
	name                    string
	before, after, reverted string
	keeps                   bool // memory stays, since a pointer to new code may
}

var patches = []patch{
	{name: "constant", before: "1:price 10|5:price 22", after: "1:price 705|5:price 725", reverted: "1:price 10"},
	{name: "newcall", before: "1:measure 97|2:measure 52", after: "1:measure 6505000|2:measure 5207421", reverted: "1:measure 97"},
	{name: "newdata", before: "1:count 1|2:count 2", after: "1:count 41001001|2:count 42021002", reverted: "1:count 1"},
	{name: "newstring", before: "1:first|2:second|3:none", after: "1:the first one, with a string that is new!|2:second?|3:none.", reverted: "1:first|3:none"},
	{name: "inlined", before: "3:left 7 right 26|50:left 21 right 32", after: "50:left 101 right 167|1:left 5 right 20", reverted: "50:left 21 right 32"},
	{name: "cold", before: "7:fine 7|60:complaint 60, rudely", after: "7:fine 7|60:complaint 121, politely", reverted: "60:complaint 60, rudely"},
	{name: "switch", before: "7:seven7.|9:many", after: "7:seven7.|9:nine9.|10:10ten.|11:too many|0:zero|6:666.", reverted: "9:many|0:zero"},
	{name: "removed", before: "5:grow 11", after: "5:grow 16", reverted: "5:grow 11"},
	{name: "pointer", before: "4:way 5 known", after: "4:way 400 known|8:way 800 known|9:way 900 known", reverted: "4:way 5 known"},
	{name: "state", before: "1:next 1104|2:next 2107", after: "3:next 31103", reverted: "1:next 4113"},
	{name: "several", before: "3:10 17", after: "3:70 47", reverted: "3:10 17"},
	{name: "tls", before: "2:tick 5", after: "2:tick 6998", reverted: "1:tick 8"},
	{name: "float", before: "2:scale 550 norm 30", after: "2:scale 525 norm 288", reverted: "2:scale 550 norm 30"},
	{name: "padding", before: "4:tiny 5", after: "4:tiny 203", reverted: "4:tiny 5"},
	{name: "hooked", before: "2:change 67|1:change 99|2:change 100", after: "2:change 1067", reverted: "2:change 100"},
	{name: "visible", before: "2:sum 16", after: "2:helped 36", reverted: "2:sum 16", keeps: true},
}

// refused are the combinations that can't be had, and why.
var refused = map[string]splice.Code{
	"O2-static/newcall":      splice.CodeUnresolved, // what was not linked is not there
	"O2-static-pie/newcall":  splice.CodeUnresolved,
	"O2-musl-static/newcall": splice.CodeUnresolved,
}

// TestMatrix applies every patch to every kind of victim, while its threads
// run, and checks the behaviour before, after, and after the revert.
func TestMatrix(t *testing.T) {
	for i, c := range configs {
		for k, p := range testenv.Sample(i, patches) {
			if testing.Short() && (i*len(patches)+k)%17 != 0 {
				continue
			}
			t.Run(c.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				runPatch(t, c, p)
			})
		}
	}
}

func runPatch(t *testing.T, c config, p patch) {
	b := program(t, c, p.name)
	v := start(t, b.program, "3")
	v.expect("before", p.before)
	u, err := updateFor(v.pid, b.pre, b.post)
	if want := refused[c.name+"/"+p.name]; err != nil && want != "" {
		checkRefusal(t, err, want)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	code, layout := v.code(), v.layout()
	dry, dryErr := v.target().Plan(context.Background(), u)
	r, err := Apply(context.Background(), v.pid, u, Options{})
	if want := refused[c.name+"/"+p.name]; want != "" {
		checkRefusal(t, err, want)
		checkRefusal(t, dryErr, want)
		v.expect("after the refusal", p.before)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if dryErr != nil || dry.State != Staged {
		t.Errorf("dry run: %+v, %v", dry, dryErr)
	}
	if r.State != Applied || r.Threads != 4 || len(r.Redirects) != u.Redirects() || r.Pause <= 0 || r.Pause > time.Second {
		t.Errorf("report: %+v", r)
	}
	v.expect("after", p.after)
	if st, err := v.target().Status(context.Background()); err != nil || len(st) != 1 || st[0].State != Applied || st[0].ID != u.ID() {
		t.Errorf("status: %+v, %v", st, err)
	}
	back := v.revert()
	v.expect("reverted", p.reverted)
	for i := 0; i < 3 && back.State == Kept && !p.keeps; i++ {
		// A stale word on a stack: it goes away when the program does
		// something else.
		for range 20 {
			v.ask(0)
		}
		back = v.revert()
	}
	musl := strings.Contains(c.cflags, muslSpecs) // without unwind tables
	if (c.name == "O0-pie" || musl) && strings.HasPrefix(back.Kept, "the word at") {
		// Without optimisation, and in musl's functions for input, the frames of
		// the threads have room that nobody writes to, where a stale word stays
		// for ever.
		t.Log(back.Kept)
		p.keeps = true
	}
	if kept := back.State == Kept; kept != p.keeps {
		t.Errorf("revert: %+v", back)
	}
	if !maps.Equal(code, v.code()) {
		t.Error("code is not what it was")
	}
	if now := v.layout(); !p.keeps && now != layout {
		t.Errorf("mappings were\n%sand are\n%s", layout, now)
	}
	if r.Scans > 0 && !musl {
		t.Errorf("%d stacks could only be scanned", r.Scans)
	}
}

// checkRefusal checks that err is a refusal with a code.
func checkRefusal(t *testing.T, err error, want splice.Code) {
	t.Helper()
	var r *splice.Refusal
	if !errors.As(err, &r) || r.Code != want || !errors.Is(err, splice.ErrRefused) {
		t.Fatalf("%v, want a refusal %s", err, want)
	}
	if r.Hint == "" {
		t.Errorf("no hint in %+v", r)
	}
}
