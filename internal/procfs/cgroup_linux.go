package procfs

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// cgroup is one folder of a control group that a process is in: one of a controller, or of all (cgroups(7)).
type cgroup struct {
	at, root string // the folder, and the one that it is below
	unified  bool
}

// cgroupOf finds the folder of a process for a controller of version 1, and the one of version 2, as we see them.
func cgroupOf(pid int, controller string) []cgroup {
	own, err1 := os.ReadFile(Path(pid, "cgroup"))
	info, err2 := os.ReadFile("/proc/self/mountinfo")
	if err1 != nil || err2 != nil {
		return nil
	}
	var out []cgroup
	for controllers, path := range Cgroups(own) {
		unified := controllers == ""
		if !unified && !hasWord(controllers, controller) {
			continue
		}
		if at, below := cgroupMount(info, controller, unified); at != "" {
			rest, _ := strings.CutPrefix(path, strings.TrimSuffix(below, "/"))
			out = append(out, cgroup{filepath.Join(at, rest), at, unified})
		}
	}
	return out
}

// cgroupMount finds where a hierarchy is mounted, and which of its folders.
func cgroupMount(info []byte, controller string, unified bool) (at, below string) {
	for m := range mounts(info) {
		if unified && m.kind == "cgroup2" || !unified && m.kind == "cgroup" && hasWord(m.options, controller) {
			return m.at, m.root
		}
	}
	return "", ""
}

func hasWord(list, word string) bool { return slices.Contains(strings.Split(list, ","), word) }

// Frozen reports whether the control group of a process is frozen, as that of a container that is paused: its threads
// don't run whatever happens to them.
func Frozen(pid int) bool {
	for _, g := range cgroupOf(pid, "freezer") {
		for at := g.at; g.unified && strings.HasPrefix(at, g.root) && at != "/"; at = filepath.Dir(at) {
			here := cgroup{at, g.root, true}
			if n, ok := here.number("cgroup.freeze"); ok && n == 1 {
				return true
			}
		}
		if b, err := os.ReadFile(filepath.Join(g.at, "freezer.state")); err == nil && strings.HasPrefix(string(b), "FR") { // FROZEN, FREEZING
			return true
		}
	}
	return false
}

// memoryFiles are names of files and fields of the memory controller, by version.
var memoryFiles = map[bool]struct{ limit, usage, files, more string }{
	true:  {"memory.max", "memory.current", "active_file", "inactive_file"},
	false: {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file", "total_inactive_file"},
}

// MemoryRoom returns how many bytes of memory the control groups of a process let it have beside what they
// have, cached files left out, which the kernel drops for that. Whoever takes more is killed. ok is false when there is no limit, or
// the machine has swap space for it.
func MemoryRoom(pid int) (room uint64, ok bool) {
	if b, err := os.ReadFile("/proc/meminfo"); err != nil || !bytes.Contains(b, []byte("\nSwapFree:              0 kB\n")) {
		return 0, false
	}
	room = math.MaxUint64
	for _, g := range cgroupOf(pid, "memory") {
		names := memoryFiles[g.unified]
		for at := g.at; strings.HasPrefix(at, g.root) && at != "/"; at = filepath.Dir(at) {
			here := cgroup{at, g.root, g.unified}
			limit, ok1 := here.number(names.limit)
			usage, ok2 := here.number(names.usage)
			if !ok1 || !ok2 {
				continue
			}
			a, _ := here.field("memory.stat", names.files)
			b, _ := here.field("memory.stat", names.more)
			if usage -= min(usage, a+b); usage > limit {
				return 0, true
			}
			room = min(room, limit-usage)
		}
	}
	return room, room < 1<<62 // version 1 has the largest number of pages for none
}

// number reads a file of one number.
func (g *cgroup) number(name string) (uint64, bool) {
	b, err := os.ReadFile(filepath.Join(g.at, name))
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// field reads a number of a file of lines with a name and a number.
func (g *cgroup) field(name, field string) (uint64, bool) {
	b, err := os.ReadFile(filepath.Join(g.at, name))
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(b) {
		if f := strings.Fields(string(line)); len(f) == 2 && f[0] == field {
			n, err := strconv.ParseUint(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
