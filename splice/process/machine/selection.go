package machine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

// A Selection says which processes of the machine are meant: those of any of its lists. The
// zero value is all of them.
type Selection struct {
	PIDs []int // in the PID namespace of the caller
	// Units are names of units of systemd, such as redis-server.service; .service may be left
	// out. All processes in the cgroup of the unit are meant, and in those below.
	Units []string
	// Containers are IDs of containers, or at least 12 characters of one, as their engine shows
	// them, or the name of one of LXC or systemd-nspawn.
	Containers []string
}

// All reports whether it is the whole machine.
func (s *Selection) All() bool { return len(s.PIDs)+len(s.Units)+len(s.Containers) == 0 }

// minContainer is how many characters of a container's ID are enough.
const minContainer = 12

// check refuses what can't be a selection.
func (s *Selection) check() error {
	for _, pid := range s.PIDs {
		if pid <= 0 {
			return fmt.Errorf("select: %d is no process", pid)
		}
	}
	for _, name := range slices.Concat(s.Units, s.Containers) {
		if name == "" || strings.Contains(name, "/") {
			return fmt.Errorf("select: %q names no unit and no container", name)
		}
	}
	return nil
}

// home is where the cgroup of a process says that it is.
type home struct {
	units      []string // from the outermost to the innermost
	containers []string
}

// unit is the innermost unit that is no slice, "" for none.
func (h *home) unit() string {
	for _, u := range slices.Backward(h.units) {
		if !strings.HasSuffix(u, ".slice") {
			return u
		}
	}
	return ""
}

func (h *home) container() string {
	if n := len(h.containers); n > 0 {
		return h.containers[n-1]
	}
	return ""
}

// unitSuffixes end the names of units that have cgroups (systemd.unit(5)).
var unitSuffixes = []string{".service", ".scope", ".slice", ".socket", ".mount", ".swap"}

// containerPrefixes stand before the name of a container that is no ID, in the name of a cgroup.
var containerPrefixes = []string{"lxc.payload.", "lxc.monitor.", "machine-"}

// parseHome reads /proc/PID/cgroup.
func parseHome(b []byte) home {
	var h home
	for controllers, path := range procfs.Cgroups(b) {
		if controllers != "" && controllers != "name=systemd" && len(h.containers) > 0 {
			continue
		}
		for _, part := range strings.Split(path, "/") {
			h.add(part)
		}
	}
	return h
}

// add takes one folder of a cgroup's path.
func (h *home) add(part string) {
	unit := slices.ContainsFunc(unitSuffixes, func(s string) bool { return strings.HasSuffix(part, s) })
	if unit && !slices.Contains(h.units, part) {
		h.units = append(h.units, part)
	}
	name := strings.TrimSuffix(strings.TrimSuffix(part, ".scope"), ".service")
	id := name[strings.LastIndexByte(name, '-')+1:] // docker-ID.scope, cri-containerd-ID.scope, libpod-ID.scope
	if !isID(id) {
		id = ""
		for _, p := range containerPrefixes {
			if rest, ok := strings.CutPrefix(name, p); ok {
				id = rest
			}
		}
	}
	if id != "" && !slices.Contains(h.containers, id) {
		h.containers = append(h.containers, id)
	}
}

// isID tells whether a text is the ID of a container as the engines of OCI make them: 64
// hexadecimal digits.
func isID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// holds reports whether a process is meant.
func (s *Selection) holds(pid int, h *home) bool {
	if s.All() || slices.Contains(s.PIDs, pid) {
		return true
	}
	for _, want := range s.Units {
		for _, u := range h.units {
			if u == want || u == want+".service" {
				return true
			}
		}
	}
	for _, want := range s.Containers {
		for _, c := range h.containers {
			if c == want || len(want) >= minContainer && isID(c) && strings.HasPrefix(c, want) {
				return true
			}
		}
	}
	return false
}

// subjects are the modules of an update in which it replaces functions.
func subjects(u *splice.Update) []int {
	var out []int
	for i := range u.Objects {
		for k := range u.Objects[i].Redirects {
			for _, s := range u.Objects[i].Redirects[k].Old {
				if !slices.Contains(out, s.Module) {
					out = append(out, s.Module)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// checkUpdate refuses an update that can't be looked for on a machine.
func checkUpdate(u *splice.Update) error {
	if err := u.Check(); err != nil {
		return err
	}
	list := subjects(u)
	if len(list) == 0 {
		return splice.Refuse(splice.CodeNothing, "", "", 0, "the update replaces no function")
	}
	for _, i := range list {
		if m := &u.Modules[i]; m.BuildID == "" {
			r := splice.Refuse(splice.CodeNoModule, "", m.Name, 0, "it has no build-id, by which processes could be found")
			r.Hint = "link it with --build-id, or apply the update to one process (Target of splice/process; hotpatch -pid N -update FILE)"
			return r
		}
	}
	return nil
}

// family is what builds of one program or library have in common in their file names: what
// stands before the second number of a version, such as libz.so.1 of libz.so.1.2.13.
func family(name string) string {
	head, version, ok := strings.Cut(name, ".so.")
	if !ok {
		return name
	}
	major, _, _ := strings.Cut(version, ".")
	return head + ".so." + major
}
