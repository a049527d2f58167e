package module

import (
	"errors"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
)

// TestHints goes over every refusal of this package: each has a hint that says more
// than its message, and each hint is for a code that is used.
func TestHints(t *testing.T) {
	used := map[splice.Code]bool{}
	for _, c := range testenv.RefusalCalls(t, ".", "..") {
		if strings.HasPrefix(c.Place, "refuse.go:") {
			continue // what refuses for all
		}
		code := splice.Code(c.Code)
		used[code] = true
		if !strings.Contains(c.Place, "/") { // of this package
			checkHint(t, c, refuse(code, "", "", 0, "%s", c.Message))
		} else if c.Code != "" {
			checkHint(t, c, splice.Refuse(code, "", "", 0, "%s", c.Message))
		}
	}
	for code := range hints {
		if !used[code] {
			t.Errorf("%s: nothing is refused by it", code)
		}
	}
}

func checkHint(t *testing.T, c testenv.RefusalCall, r *splice.Refusal) {
	t.Helper()
	t.Logf("%-16s %s -> %s", r.Code, r.Message, r.Hint)
	switch {
	case c.Code == "":
		t.Errorf("%s: its code is no constant", c.Place)
	case c.Message == "" || strings.Contains(c.Message, "refused"):
		t.Errorf("%s: %s: message %q", c.Place, r.Code, c.Message)
	case r.Hint == "" || r.Hint == r.Message || strings.Contains(r.Hint, r.Message):
		t.Errorf("%s: %s: hint %q", c.Place, r.Code, r.Hint)
	}
}

// TestSaidOnce has refusals in refusals.
func TestSaidOnce(t *testing.T) {
	inner := refuse(CodeNoJump, "f", "", 0x10, "nothing can be written there safely")
	r := refuse(CodeNoFentry, "f", "", 0x10, "it does not begin with a call of the function tracer")
	r.Err = inner
	const want = "it does not begin with a call of the function tracer: nothing can be written there safely"
	if r.Text() != want || strings.Count(r.Error(), "refused") != 1 || strings.Count(r.Error(), "f: ") != 1 {
		t.Errorf("%q, %q", r.Text(), r)
	}
	r.Err = errors.New("another reason")
	if !strings.HasSuffix(r.Error(), ": another reason") || !strings.HasSuffix(r.Text(), ": another reason") {
		t.Errorf("%q", r)
	}
	if got := causeText(inner); got != inner.Message {
		t.Errorf("%q", got)
	}
}
