package deb

import (
	"os/exec"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// versions holds pairs, the older one first. An empty revision counts as "0".
var versions = [][2]string{
	{"6.1.99-1", "6.1.176-1"},
	{"6.1.192-1", "6.1.192-2"},
	{"6.12.100-1~deb12u1", "6.12.117-1~deb12u1"},
	{"6.12.117-1~deb12u1", "6.12.117-1"},
	{"6.12.115-1~deb12u1", "6.12.115-2~deb12u1"},
	{"9", "1:1"},
	{"1.0~rc1-1", "1.0-1"},
	{"1.0", "1.0a"},
	{"1.0a", "1.0+"},
	{"1.0~", "1.0"},
	{"1.0~~", "1.0~"},
	{"1.0-1", "1.0-1.1"},
	{"1.0-1-1", "1.0-2-0"},
	{"1.9", "1.0010"},
	{"a1", "a2"},
	{"1.a", "1.b"},
	{"0", "0.0a"},
	{"99999999999999999998", "99999999999999999999"},
}

// equal holds pairs that are written differently and mean the same.
var equalVersions = [][2]string{{"1.0", "1.0-0"}, {"0:1", "1"}, {"1.01", "1.1"}, {"1.0-1", "1.0-01"}, {"1.", "1.0"}}

func TestCompare(t *testing.T) {
	for _, v := range versions {
		if got := Compare(v[0], v[1]); got != -1 {
			t.Errorf("Compare(%q, %q) = %d, want -1", v[0], v[1], got)
		}
		if got := Compare(v[1], v[0]); got != 1 {
			t.Errorf("Compare(%q, %q) = %d, want 1", v[1], v[0], got)
		}
	}
	for _, v := range equalVersions {
		if got := Compare(v[0], v[1]); got != 0 {
			t.Errorf("Compare(%q, %q) = %d, want 0", v[0], v[1], got)
		}
	}
}

// TestCompareDpkg asks dpkg about the same pairs, so that the table is not ours alone.
func TestCompareDpkg(t *testing.T) {
	testenv.Need(t, "dpkg")
	ask := func(a, op, b string) {
		if out, err := exec.Command("dpkg", "--force-bad-version", "--compare-versions", a, op, b).CombinedOutput(); err != nil {
			t.Errorf("dpkg denies %q %s %q: %v %s", a, op, b, err, out)
		}
	}
	for _, v := range versions {
		ask(v[0], "lt", v[1])
	}
	for _, v := range equalVersions {
		ask(v[0], "eq", v[1])
	}
}
