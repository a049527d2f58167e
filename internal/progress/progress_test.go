package progress

import (
	"sync"
	"testing"
)

// TestCounter counts from several goroutines: every number once, in order, by one at
// a time.
func TestCounter(t *testing.T) {
	const parts = 100
	next := 0
	c := Func(func(stage string, done, total int) {
		if stage != "match" || done != next || total != parts {
			t.Errorf("%s %d of %d, want %d", stage, done, total, next)
		}
		next++
	}).Begin("match", parts)
	var g sync.WaitGroup
	for range parts {
		g.Go(c.Done)
	}
	g.Wait()
	if next != parts+1 {
		t.Errorf("told %d times", next)
	}
}

// TestNobody counts for nobody, and nothing for somebody.
func TestNobody(t *testing.T) {
	Func(nil).Begin("match", 1).Done()
	Func(func(string, int, int) { t.Error("told of nothing") }).Begin("match", 0)
}
