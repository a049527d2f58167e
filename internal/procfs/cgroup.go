package procfs

import (
	"bytes"
	"iter"
	"strings"
)

// Cgroups reads /proc/PID/cgroup (cgroups(7)): lines of "number:controllers:path", of which it yields the last two.
func Cgroups(b []byte) iter.Seq2[string, string] {
	return func(yield func(controllers, path string) bool) {
		for line := range bytes.Lines(b) {
			parts := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
			if len(parts) == 3 && !yield(parts[1], parts[2]) {
				return
			}
		}
	}
}
