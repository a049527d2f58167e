// Package testenv decides whether a test that needs more than Go can run.
//
// "go test ./..." fetches nothing, compiles no kernel, boots no guest, and ends
// within minutes. A test that needs a compiler, a debugger or root is skipped with a
// reason where there is none. What takes more is asked for by one environment
// variable, GOSPLICE_TEST ([Env]): words with commas between them.
//
//	GOSPLICE_TEST=kernel,more,strict go test -timeout 1h ./...
//
// These words ask for tests. The first three are what CI sets:
//
//	kernel         fetch Debian's kernels, compile some of their source, boot them
//	more           each case with more compilers and options, some minutes
//	strict         fail where a test would be skipped for want of something
//	long           every combination where a sample would do, which takes hours
//	kills          kill the tool for programs before each system call that it makes, some minutes
//	small          build kernels without livepatch, ten minutes each, which are kept
//
// These say what to work on, for those who have kernels and objects of their own:
//
//	objects=DIR    objects, such as those of one kernel
//	vmlinux=FILE   the vmlinux of these objects, with symbols; more with colons between
//	vmlinuz=FILE   the vmlinuz of these objects
//	other=FILE     the vmlinux of another version
//	release=NAME   the release to boot of which these objects are
//	flips=N        how many bytes of that vmlinux to change, one at a time
//	cycles=N       how often to load, unload and replace livepatches, and to foretell it
//	shifted=DIR    base/X.o and shift/X.o: with blank lines on top of its source
//	corpus=DIR     what examples/corpus built, instead of all that it did
//	objtool=FILE   the objtool of Linux 6.19 or later, built with xxhash, with whose verdicts elfdiff's are compared
//	pre=FILE       the object that benchmarks work on
//	post=FILE      the object that they compare it with
//	kernels=NAMES  the releases that are taken through all that there is; more with colons between
//	services=DIR   stock services of Debian and their updates: TestServices of examples/hotpatch says what DIR has
//	compilers=A:B  a gcc and a clang, by their names or paths, for those of elfdiff's tests
//
// Kernels and what is made of them are kept in the folder that GOSPLICE_CACHE names,
// or in "gosplice" in the user's cache folder: 1 GB to fetch, 6 GB on the disk, and a
// quarter of an hour the first time. What takes long says what it does: "go test -v" of
// one package shows it, and "tail -F ~/.cache/gosplice/progress" that of all. Short
// tests (go test -short) boot nothing even so, but for those of package vm.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// Skip skips the test for want of something, or fails it when [Strict] is asked for:
// in CI, where everything is installed, a skip would hide a hole.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if Asked(Strict) {
		t.Fatalf(Env+" says "+string(Strict)+", so that this may not be skipped: "+format, args...)
	}
	t.Skipf(format, args...)
}

// Need skips the test unless every tool is on PATH.
func Need(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			Skip(t, "needs %s: %v", tool, err)
		}
	}
}

// NeedRoot skips the test unless it runs as root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, "needs root")
	}
}
