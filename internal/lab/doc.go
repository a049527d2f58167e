// Package lab holds no code. In its folder is what only tests, tools and examples use:
//
//	testenv    what a test may ask of the machine, and how people ask for more tests
//	kbuild     objects of kernel source, as the stock kernel was built
//	corpus     real kernel patches as objects, with kbuild
//	behaviour  patches with what a program in a guest sees of them
//	vmtest     stock kernels for tests, booted in QEMU
//	livekernel the ways to boot a kernel for which it rewrites itself otherwise
//	webtest    checks pages that are one file each
//	campaign   a command that feeds damaged input to everything that reads some
//	api        the exported API as text, and what public packages depend on
//
// What people import depends on nothing of it, which the package's test holds.
package lab
