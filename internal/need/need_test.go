package need

import (
	"slices"
	"testing"
)

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	lost, from := Missing("no-such", "dpkg-deb", "apt-get", "apt-cache", "no-such")
	if want := []string{"apt-cache", "apt-get", "dpkg-deb", "no-such"}; !slices.Equal(lost, want) {
		t.Errorf("lost %q, want %q", lost, want)
	}
	if got, want := Line(from), "apt-get install --no-install-recommends apt dpkg no-such"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
