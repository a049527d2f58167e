//go:build linux && amd64

package process

import (
	"bytes"
	"testing"
)

// TestSameUpdate builds an update from two processes, which the kernel put at
// different addresses, and applies each to the other.
func TestSameUpdate(t *testing.T) {
	for _, name := range []string{"O2-pie", "O2-library", "O2-static-pie"} {
		b := program(t, configNamed(name), "tls")
		v, w := start(t, b.program), start(t, b.program)
		v.expect("before", "2:tick 5")
		w.expect("before", "2:tick 5")
		a, c := v.update(b), w.update(b)
		var first, second bytes.Buffer
		a.WriteTo(&first)
		c.WriteTo(&second)
		if !bytes.Equal(first.Bytes(), second.Bytes()) || a.ID() != c.ID() {
			t.Errorf("%s: the updates of two processes differ:\n%.2000s\n%.2000s", name, &first, &second)
		}
		v.apply(c)
		w.apply(a)
		v.expect("after", "2:tick 6998")
		w.expect("after", "2:tick 6998")
	}
}
