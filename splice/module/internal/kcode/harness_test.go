package kcode

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestHarness links the objects into a program with a kernel that is made up, and has
// them work in it: what is embedded is what runs.
func TestHarness(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the objects are for Linux on x86-64")
	}
	testenv.Need(t, "gcc")
	exe := filepath.Join(t.TempDir(), "harness")
	args := []string{"-g", "-O1", "-no-pie", "-fcf-protection=none", "-Wl,-z,noexecstack", "-o", exe, "testdata/harness.c", "testdata/kernel.c"}
	for _, name := range names(t) {
		if name != "layout" {
			args = append(args, filepath.Join("obj", name+".o"))
		}
	}
	if out, err := exec.CommandContext(t.Context(), "gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), exe).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	worked := 0
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "ok ") {
			worked++
		} else {
			t.Error(strings.TrimSpace(line))
		}
	}
	if worked == 0 {
		t.Error("no case worked")
	}
}
