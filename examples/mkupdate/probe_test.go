package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

func TestProbe(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"-probe", text}, exitError, "probe kernel: "},
		{[]string{"-probe", text, "fix.patch"}, cli.ExitUsage, "-probe takes the kernel alone"},
	} {
		if status, _, stderr := tool.Try(t.Context(), run, c.args...); status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d\n%s", c.args, status, stderr)
		}
	}
	k := vmtest.Need(t, "6.1")
	status, stdout, stderr := tool.Try(t.Context(), run, "-probe", k.Image)
	if status != exitMade || !strings.Contains(stdout, "12 bytes: instr_offset 0") || !strings.HasSuffix(stdout, "of a generation that is known\n") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	status, stdout, _ = tool.Try(t.Context(), run, "-json", "-probe", k.Image)
	if status != exitMade || !strings.Contains(stdout, `"build_id": "`) || !strings.Contains(stdout, `"known": true`) {
		t.Errorf("status %d\n%s", status, stdout)
	}
}
