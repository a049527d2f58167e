package ktree

import "testing"

func TestApart(t *testing.T) {
	for _, c := range []struct {
		source string
		apart  bool
	}{
		{"arch/x86/boot/compressed/misc.c", true}, {"arch/x86/boot/main.c", true}, {"arch/x86/kernel/setup.c", false},
		{"arch/x86/entry/vdso/vma.c", false}, {"drivers/block/loop.c", false},
	} {
		if got := Apart(c.source); (got != "") != c.apart {
			t.Errorf("%s: %q", c.source, got)
		}
	}
}
