package foresee

import (
	"testing"

	"github.com/gosplice/gosplice/splice/module/internal/sides"
	"github.com/gosplice/gosplice/splice/module/running"
)

// TestCopies has other livepatches replace callers of what one changes.
func TestCopies(t *testing.T) {
	c := &checker{file: &running.File{Name: "fix"}, out: &Forecast{}, others: map[function]string{
		{"show", ""}: "other", {"hide", ""}: "fix", {"show", "far"}: "third",
	}}
	c.copies([]sides.Object{
		{Callers: []sides.Caller{{Name: "show", Calls: 2}, {Name: "hide", Calls: 1}, {Name: "alone", Calls: 1}}},
		{Module: "near", Callers: []sides.Caller{{Name: "show", Calls: 1}}},
	})
	if len(c.out.Findings) != 1 {
		t.Fatalf("%+v", c.out.Findings)
	}
	if f := c.out.Findings[0]; f.Code != CodeCopies || f.Effect != Note || f.Function != "show" || f.Who[0] != "other" || f.Hint == "" {
		t.Errorf("%+v", f)
	}
}
