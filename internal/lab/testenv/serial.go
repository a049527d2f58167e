package testenv

import "testing"

// Serial skips a test under the race detector, which makes it ten times as long: it does
// its work in one goroutine, with objects of its own, so that there is no race to find, or
// does what others that stay do.
func Serial(t testing.TB) {
	t.Helper()
	if raced {
		t.Skip("works in one goroutine, or as other tests do: there is no race to find that they don't")
	}
}
