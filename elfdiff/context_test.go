package elfdiff

import (
	"context"
	"errors"
	"testing"
)

// TestCompareContext ends a comparison after each of its steps.
func TestCompareContext(t *testing.T) {
	pre, post := mustOpen(t, "testdata/types/gcc-pre.o"), mustOpen(t, "testdata/types/gcc-post.o")
	steps := 0
	opt := Options{Types: true}
	opt.Progress = func(stage string, done, total int) {
		if stage != "compare" || done != steps && done != 0 || done > total {
			t.Errorf("%s: %d of %d", stage, done, total)
		}
		steps = done + 1
	}
	if _, err := CompareContext(t.Context(), pre, post, opt); err != nil || steps < 20 {
		t.Fatalf("%d steps, %v", steps, err)
	}
	for stop := range steps - 1 {
		ctx, cancel := context.WithCancel(t.Context())
		last := -1
		opt.Progress = func(_ string, done, _ int) {
			if last = done; done == stop {
				cancel()
			}
		}
		if d, err := CompareContext(ctx, pre, post, opt); d != nil || !errors.Is(err, context.Canceled) || last != stop {
			t.Errorf("stopped at %d of %d, went on to %d: %v", stop, steps, last, err)
		}
		cancel()
	}
}
