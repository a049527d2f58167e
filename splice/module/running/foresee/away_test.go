package foresee

import (
	"math"
	"testing"

	"github.com/gosplice/gosplice/splice/module"
)

// TestLookInstructions holds the estimate against what was counted on a stock 6.1, in millions.
func TestLookInstructions(t *testing.T) {
	for _, m := range []struct {
		functions, tasks int
		counted          float64
	}{{1, 1000, 3.2}, {39, 1000, 45}, {286, 1000, 1872}, {1, 16000, 49}, {39, 16000, 691}, {286, 16000, 28602}} {
		if n := float64(lookInstructions(m.tasks, m.functions, m.functions)) / 1e6; math.Abs(n/m.counted-1) > 0.1 {
			t.Errorf("%d functions, %d tasks: %.1f, and %.1f were counted", m.functions, m.tasks, n, m.counted)
		}
	}
}

func TestAway(t *testing.T) {
	for _, x := range []struct {
		name             string
		functions, tasks int
		method           string
		others           int
		want             Effect // "" for nothing
	}{
		{"one", 1, 16000, module.MethodFtrace, 0, ""},
		{"some", 39, 16000, module.MethodFtrace, 0, Note},
		{"jumps", 39, 16000, module.MethodJump, 0, ""},
		{"after others", 2, 16000, module.MethodFtrace, 286, Note},
		{"many", 320, 16000, module.MethodFtrace, 0, Waits},
		{"no tasks", 320, 0, module.MethodFtrace, 0, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := &checker{out: &Forecast{Tasks: x.tasks}, others: map[function]string{}}
			for i := range x.functions {
				c.out.Functions = append(c.out.Functions, Function{Position: uint64(i), Method: x.method})
			}
			for i := range x.others {
				c.others[function{name: string(rune('a' + i))}] = "other"
			}
			c.away()
			var got Effect
			for _, f := range c.out.Findings {
				if got = f.Effect; f.Code != CodeLongLook {
					t.Errorf("%v", f)
				}
			}
			if got != x.want {
				t.Errorf("%q, not %q: %v", got, x.want, c.out.Findings)
			}
		})
	}
}
