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
