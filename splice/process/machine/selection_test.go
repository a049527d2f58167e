package machine

import (
	"strings"
	"testing"
)

const id = "3f4fa1bbb6a7d3e4a6a4f4e1d2c3b4a5968778695a4b3c2d1e0f00112233aabb"

// TestHome reads where processes are off their cgroups, and selects by that.
func TestHome(t *testing.T) {
	for _, c := range []struct{ cgroup, unit, container string }{
		{"0::/system.slice/redis-server.service\n", "redis-server.service", ""},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", "x.service", ""},
		{"0::/system.slice/docker-" + id + ".scope\n", "docker-" + id + ".scope", id},
		{"12:pids:/docker/" + id + "\n1:name=systemd:/docker/" + id + "\n0::/docker/" + id + "\n", "", id},
		{"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12.slice/cri-containerd-" + id + ".scope\n", "cri-containerd-" + id + ".scope", id},
		{"0::/machine.slice/libpod-" + id + ".scope/container\n", "libpod-" + id + ".scope", id},
		{"0::/lxc.payload.web/system.slice/nginx.service\n", "nginx.service", "web"},
		{"0::/machine.slice/machine-web.scope/payload\n", "machine-web.scope", "web"},
		{"0::/\n", "", ""},
		{"", "", ""},
		{"0::/system.slice\n", "", ""},
		{"0::/../../x.service\n", "x.service", ""},
		{"nonsense\n:::\n", "", ""},
	} {
		h := parseHome([]byte(c.cgroup))
		if h.unit() != c.unit || h.container() != c.container {
			t.Errorf("%q: unit %q, container %q", c.cgroup, h.unit(), h.container())
		}
		for _, s := range []struct {
			Selection
			want bool
		}{
			{Selection{}, true},
			{Selection{PIDs: []int{7}}, true},
			{Selection{PIDs: []int{8}}, false},
			{Selection{PIDs: []int{8}, Units: []string{strings.TrimSuffix(c.unit, ".service")}}, c.unit != ""},
			{Selection{Units: []string{"dis-server"}}, false},
			{Selection{Containers: []string{c.container}}, c.container != ""},
			{Selection{Containers: []string{id[:12]}}, c.container == id},
			{Selection{Containers: []string{id[:11]}}, false},
		} {
			if got := s.holds(7, &h); got != s.want {
				t.Errorf("%q, %+v: %v", c.cgroup, s.Selection, got)
			}
		}
	}
}

// FuzzHome reads what may be the text of a cgroup: folders that are named stand in it.
func FuzzHome(f *testing.F) {
	f.Add([]byte("0::/system.slice/docker-" + id + ".scope\n"))
	f.Add([]byte("1:name=systemd:/a.service/lxc.payload.b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := parseHome(b)
		for _, name := range append(h.units, h.containers...) {
			if !strings.Contains(string(b), name) || name == "" {
				t.Errorf("%q is not in %q", name, b)
			}
		}
	})
}

// TestFamily tells builds of one library by their names.
func TestFamily(t *testing.T) {
	for name, want := range map[string]string{
		"libz.so.1.2.13": "libz.so.1", "libz.so.1": "libz.so.1", "libssl.so.3": "libssl.so.3", "redis-server": "redis-server",
		"libfoo.so": "libfoo.so", "libpython3.11.so.1.0": "libpython3.11.so.1",
	} {
		if got := family(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestSelectionCheck has selections that make no sense.
func TestSelectionCheck(t *testing.T) {
	for _, s := range []Selection{{PIDs: []int{0}}, {PIDs: []int{-1}}, {Units: []string{""}}, {Containers: []string{"a/b"}}} {
		if (&Options{Select: s}).defaults() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
