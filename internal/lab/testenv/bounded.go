package testenv

import (
	"runtime"
	"testing"
)

// Memory is the promise about everything that reads files: the bytes that it
// takes at its peak for so many bytes of input.
func Memory(input int) uint64 { return 8*uint64(input) + 64<<20 }

// Bounded fails the test when f allocates more than [Memory] allows for input
// bytes of input. What f allocates in total is no less than what it holds at any
// instant, so that this is the stricter promise. With the race detector, which has
// growing buffers copied more often, f only runs.
func Bounded(t testing.TB, input int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > Memory(input) && !raced {
		t.Errorf("%d bytes of input take %d bytes of memory, more than %d", input, n, Memory(input))
	}
}
