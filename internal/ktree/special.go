package ktree

import "strings"

// specials are folders of what is linked into something else than the running kernel, with what
// that is. What is in an archive of the kernel, or in a module, is no such thing, unless
// always is set: code that has the kernel's archive as a way to the image's beginning. What is
// apart is not asked for when the kernel and its modules are made. What is over has run before the
// kernel does, and never again; code for real mode is not, since processors that come up later run it.
var specials = []struct {
	dir, what           string
	always, apart, over bool
}{
	{"arch/x86/entry/vdso/", "the vDSO", false, false, false},
	{"arch/x86/realmode/rm/", "the code for real mode", false, false, false},
	{"arch/x86/boot/", "the code that unpacks the kernel", true, true, true},
	{"arch/x86/purgatory/", "the code between two kernels (kexec)", false, false, false},
	{"drivers/firmware/efi/libstub/", "the EFI stub", true, false, true},
	{"arch/x86/um/", "another architecture (um)", true, false, false},
	{"scripts/", "the build", true, false, false},
	{"tools/", "a program", true, false, false},
	{"usr/", "a program", false, false, false},
	{"samples/", "a sample", false, false, false},
}

// Over reports whether a file is of an image that has run before the kernel does: nothing of it runs any
// more.
func Over(name string) bool {
	for _, s := range specials {
		if s.over && strings.HasPrefix(name, s.dir) {
			return true
		}
	}
	return false
}

// Apart says which image, of those that are over, a source is for that is not asked for when the kernel
// and its modules are made, "" for one that is part of these, or of nothing.
func Apart(source string) string {
	for _, s := range specials {
		if s.apart && s.over && strings.HasPrefix(source, s.dir) {
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

// partOf says which image other than the running kernel a file in a folder is about, "" for none.
func partOf(name string) string {
	for _, s := range specials {
		if strings.HasPrefix(name, s.dir) {
			return s.what
		}
	}
	return ""
}
