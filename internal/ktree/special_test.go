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

func TestOver(t *testing.T) {
	for name, want := range map[string]bool{
		"arch/x86/boot/compressed/vmlinux.lds.S": true, "drivers/firmware/efi/libstub/tpm.o": true,
		"drivers/firmware/efi/tpm.o": false, "arch/x86/realmode/rm/reboot.S": false, "arch/x86/entry/vdso/vclock_gettime.o": false,
		"arch/x86/purgatory/purgatory.o": false, "tools/a.o": false,
	} {
		if got := Over(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
