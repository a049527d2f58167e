package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/splice/module/store"
)

// units are those that the README tells of.
func units(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("systemd/gosplice*.[st]*")
	if err != nil || len(list) != 3 {
		t.Fatalf("%q, %v", list, err)
	}
	return list
}

// TestUnitsSay holds what units run against the commands, and folders against the store's.
func TestUnitsSay(t *testing.T) {
	for _, path := range append(units(t), "systemd/gosplice.conf") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(string(b)) {
			if i := strings.Index(word, "/var/"); i >= 0 && !strings.HasPrefix(word[i:], store.Default) {
				t.Errorf("%s: %s", path, word)
			}
		}
		for line := range strings.Lines(string(b)) {
			line, ok := strings.CutPrefix(strings.TrimSpace(line), "ExecStart=/usr/sbin/livectl store ")
			if !ok {
				continue
			}
			status, _, said := tool().Try(t.Context(), run, "store", line, "-h")
			if status != 0 {
				t.Errorf("%s: %s: %d, %s", path, line, status, said)
			}
		}
	}
}

// TestUnits has systemd read the units.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze, and it is too large to be wanted for this")
	}
	root := t.TempDir() // where the commands are
	for _, path := range units(t) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(root, filepath.Base(path))
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(b), "/usr/sbin/livectl", "/bin/true")), 0o600); err != nil {
			t.Fatal(err)
		}
		said, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", name).CombinedOutput()
		if err != nil || strings.Contains(string(said), filepath.Base(path)) {
			t.Errorf("%s: %v: %s", path, err, said)
		}
	}
}
