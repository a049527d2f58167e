package words

import "testing"

func TestCount(t *testing.T) {
	for _, c := range []struct {
		n    int
		one  string
		want string
	}{
		{1, "process", "1 process"}, {2, "process", "2 processes"}, {0, "function", "0 functions"},
		{3, "entry", "3 entries"}, {2, "patch", "2 patches"}, {1, "entry", "1 entry"},
	} {
		if got := Count(c.n, c.one); got != c.want {
			t.Errorf("%d, %s: %q, want %q", c.n, c.one, got, c.want)
		}
	}
}
