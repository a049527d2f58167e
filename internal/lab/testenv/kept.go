package testenv

import (
	"io"
	"runtime"
	"testing"
)

// Kept is a benchmark of opening something, which tells besides time what stays in memory,
// and one more figure of what was opened, with its unit.
func Kept[T io.Closer](b *testing.B, open func() (T, error), figure func(T) (float64, string)) {
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var x T
	for opened := false; b.Loop(); opened = true {
		if opened {
			x.Close()
		}
		var err error
		if x, err = open(); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/(1<<20), "MB-kept")
	value, unit := figure(x)
	b.ReportMetric(value, unit)
	x.Close()
}
