package procfs

import (
	"os"
	"strconv"
	"strings"
)

// The names of limits in /proc/PID/limits.
const (
	LimitStack = "Max stack size"
	LimitSpace = "Max address space" // RLIMIT_AS
	LimitData  = "Max data size"
)

// SoftLimit reads a limit of a process; ok is false where there is none, or it is not known.
func SoftLimit(pid int, name string) (n uint64, ok bool) {
	b, err := os.ReadFile(Path(pid, "limits"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		rest, found := strings.CutPrefix(line, name)
		if !found {
			continue
		}
		if f := strings.Fields(rest); len(f) > 0 {
			n, err := strconv.ParseUint(f[0], 10, 64) // or "unlimited"
			return n, err == nil
		}
	}
	return 0, false
}

// MaxMappings reads how many mappings a process may have.
func MaxMappings() (n int, ok bool) {
	b, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		return 0, false
	}
	n, err = strconv.Atoi(strings.TrimSpace(string(b)))
	return n, err == nil
}
