package ktree

import "strings"

// specials are folders of what is linked into something else than the running kernel, with what
// that is. What is in an archive of the kernel, or in a module, is no such thing, unless
// always is set: code that has the kernel's archive as a way to the image's beginning.
var specials = []struct {
	dir, what string
	always    bool
}{
	{"arch/x86/entry/vdso/", "the vDSO", false},
	{"arch/x86/realmode/rm/", "the code for real mode", false},
	{"arch/x86/boot/", "the code that unpacks the kernel", true},
	{"arch/x86/purgatory/", "the code between two kernels (kexec)", false},
	{"drivers/firmware/efi/libstub/", "the EFI stub", true},
	{"arch/x86/um/", "another architecture (um)", true},
	{"scripts/", "the build", true},
	{"tools/", "a program", true},
	{"usr/", "a program", false},
	{"samples/", "a sample", false},
}

// Apart says which image a source is for that is not asked for when the kernel and its modules
// are made, "" for one that is part of these, or of nothing: the code that unpacks the kernel.
func Apart(source string) string {
	const boot = "arch/x86/boot/"
	if !strings.HasPrefix(source, boot) {
		return ""
	}
	for _, s := range specials {
		if s.dir == boot {
			return s.what
		}
	}
	return ""
}

// special says what an object is part of instead of the running kernel, "" when it is part
// of that. linked is set for what is in an archive or a module.
func special(u *Unit, linked bool) string {
	for _, s := range specials {
		if strings.HasPrefix(u.Object, s.dir) && (!linked || s.always) {
			return s.what
		}
	}
	return ""
}
