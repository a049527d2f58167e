package ktree

import "strings"

// A fate says more of what is linked into something else than the running kernel.
type fate uint8

const (
	always fate = 1 << iota // it is none of the kernel's though it is in an archive of the kernel: that is a way to the image's beginning
	over                    // it has run before the kernel does, and never again
	apart                   // it is not asked for when the kernel and its modules are made
)

// specials are folders of what is linked into something else than the running kernel, with what
// that is. What is in an archive of the kernel, or in a module, is no such thing, but for what is always.
// Code for real mode is not over, since processors that come up later run it.
var specials = []struct {
	dir, what string
	fate      fate
}{
	{"arch/x86/entry/vdso/", "the vDSO", 0},
	{"arch/x86/realmode/rm/", "the code for real mode", 0},
	{"arch/x86/boot/", "the code that unpacks the kernel", always | over | apart},
	{"arch/x86/purgatory/", "the code between two kernels (kexec)", 0},
	{"drivers/firmware/efi/libstub/", "the EFI stub", always | over},
	{"arch/x86/um/", "another architecture (um)", always},
	{"scripts/", "the build", always},
	{"tools/", "a program", always},
	{"usr/", "a program", 0},
	{"samples/", "a sample", 0},
}

// specialIn says what a file is part of by its folder, where that has a fate; "" for nothing.
func specialIn(name string, has fate) string {
	for _, s := range specials {
		if s.fate&has == has && strings.HasPrefix(name, s.dir) {
			return s.what
		}
	}
	return ""
}

// Over reports whether a file is of an image that has run before the kernel does: nothing of it runs any
// more.
func Over(name string) bool { return specialIn(name, over) != "" }

// Apart says which image, of those that are over, a source is for that is not asked for when the kernel
// and its modules are made, "" for one that is part of these, or of nothing.
func Apart(source string) string { return specialIn(source, apart|over) }

// special says what an object is part of instead of the running kernel, "" when it is part
// of that. linked is set for what is in an archive or a module.
func special(u *Unit, linked bool) string {
	if linked {
		return specialIn(u.Object, always)
	}
	return specialIn(u.Object, 0)
}

// partOf says which image other than the running kernel a file in a folder is about, "" for none.
func partOf(name string) string { return specialIn(name, 0) }
