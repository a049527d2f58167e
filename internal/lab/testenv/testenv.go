// Package testenv decides whether a test that needs more than Go can run.
//
// On a developer's machine such a test is skipped with a reason. In CI, where
// everything is installed, a skip would hide a hole, so that the environment
// variable [CI] turns it into a failure.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// CI is the environment variable that turns a skip into a failure when it is
// set to anything but the empty string.
const CI = "GOSPLICE_CI"

// Skip skips the test with a reason, or fails it in CI.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(CI) != "" {
		t.Fatalf(CI+" is set, so that this may not be skipped: "+format, args...)
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
