package procfs

import (
	"slices"
	"testing"
)

// TestOverlays reads mounts of several kinds, with a space in the name of one.
func TestOverlays(t *testing.T) {
	const info = "25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n" +
		"90 25 0:41 / /var/lib/engine/one rw - overlay overlay rw,lowerdir=/a,upperdir=/b,workdir=/c\n" +
		"91 25 0:42 / /a\\040b\\134c rw,nosuid master:7 - overlay none rw\n" +
		"92 25 0:43 / /tmp rw - tmpfs overlay rw\nbroken\n"
	want := []string{"/var/lib/engine/one", `/a b\c`}
	if got := overlays([]byte(info)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzMounts reads what a hostile mount namespace may show, and the control groups of a process.
func FuzzMounts(f *testing.F) {
	f.Add([]byte("91 25 0:42 / /a\\040b\\134c rw,nosuid master:7 - overlay none rw\n"))
	f.Add([]byte("12:freezer:/a\n0::/b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for m := range mounts(b) {
			if m.at == "" || m.root == "" || len(m.at)+len(m.root)+len(m.kind)+len(m.options) > len(b) {
				t.Errorf("%+v of %d bytes", m, len(b))
			}
		}
		for controllers, path := range Cgroups(b) {
			if len(controllers)+len(path) > len(b) {
				t.Errorf("%q, %q of %d bytes", controllers, path, len(b))
			}
		}
	})
}
