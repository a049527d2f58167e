package ktree

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDepsOf(t *testing.T) {
	got := parseDeps([]byte("a.o: a.c ./include/b.h \\\n include/../c.h /usr/lib/x.h\n\nb.h:\n"))
	if want := []string{"/usr/lib/x.h", "a.c", "c.h", "include/b.h"}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestInputsOf(t *testing.T) {
	rows := []struct {
		text string
		want []string
	}{
		{"savedcmd_a.o := gcc\n\nsource_a.o := a.c\n\ndeps_a.o := \\\n    $(wildcard include/config/X) \\\n  include/b.h \\\n\na.o: $(deps_a.o)\n", []string{"a.c", "include/b.h"}},
		{"cmd_lib/t.h := lib/gen_t > lib/t.h\n", []string{"lib/gen_t", "lib/t.h"}},
		{"cmd_x := sh 'scripts/mk.sh'; (cat ./a)|sort\n", []string{"sh", "scripts/mk.sh", "cat", "a", "sort"}},
		{"", nil},
	}
	for _, r := range rows {
		if got := inputsOf(r.text); !cmp.Equal(got, r.want) {
			t.Errorf("%q: %q, want %q", r.text, got, r.want)
		}
	}
}

// TestSurelyMore is in doubt where a sample is near the bound.
func TestSurelyMore(t *testing.T) {
	for _, c := range []struct {
		have, sample, all, than int
		want                    bool
	}{
		{64, 64, 6000, 600, true}, {0, 64, 6000, 600, false}, {6, 64, 6000, 600, false}, {20, 64, 6000, 600, true},
		{64, 64, 601, 600, true}, {63, 64, 601, 600, false}, {10, 64, 6000, 600, false},
	} {
		if got := surelyMore(c.have, c.sample, c.all, c.than); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
