package ktree

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const head = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.192 Kernel Configuration\n#\nCONFIG_X86=y\n"

// TestBanner: what does not belong together is told before anything is prepared.
func TestBanner(t *testing.T) {
	const debian = "Linux version %s (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian %s (2026-11-16)"
	for _, c := range []struct {
		name, config, banner string
		refused              string
	}{
		{"the same", head, strings.NewReplacer("%s (d", "6.1.0-56-cloud-amd64 (d", "Debian %s", "Debian 6.1.192-2").Replace(debian), ""},
		{"another update", head, strings.NewReplacer("%s (d", "6.1.0-50-cloud-amd64 (d", "Debian %s", "Debian 6.1.176-1").Replace(debian), "6.1.176"},
		{"another series", head, strings.NewReplacer("%s (d", "6.12.107+deb12-cloud-amd64 (d", "Debian %s", "Debian 6.12.107-1").Replace(debian), "6.12.107"},
		{"another series below", strings.Replace(head, "6.1.192", "6.1.191", 1), "Linux version 6.12.0-1-amd64 (a@b) #1 SMP Debian 6.12.107-1 (2026-01-01)", "6.12.107"},
		{"its own", head, "Linux version 6.1.192 (a@b) (gcc (GCC) 14.2.0) #3 SMP", ""},
		{"its own, older", head, "Linux version 6.1.191-mine (a@b) (gcc (GCC) 14.2.0) #3 SMP", "6.1.191"},
		{"numbered by the distribution", head, "Linux version 6.1.0-25-generic (a@b) (gcc (GCC) 14.2.0) #25-Ubuntu SMP", ""},
		{"without a head", "CONFIG_X86=y\n", "Linux version 6.1.191-mine (a@b) #3 SMP", ""},
		{"no image", head, "", ""},
	} {
		tree := &Tree{spec: Spec{Config: "config", Banner: c.banner}}
		err := tree.checkBanner([]byte(c.config))
		var e *VersionError
		if errors.As(err, &e) != (c.refused != "") || e != nil && (e.BVersion != c.refused || !strings.HasPrefix(e.AVersion, "6.1.19")) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSourceVersion holds a source against the configuration.
func TestSourceVersion(t *testing.T) {
	dir := t.TempDir()
	tree := &Tree{spec: Spec{Source: dir, Config: "config"}}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.checkFolder([]byte(head)); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "is no source of a kernel") {
		t.Error(err)
	}
	write("Kbuild", "")
	write("Makefile", "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\n")
	if err := tree.checkFolder([]byte(head)); err != nil {
		t.Error(err)
	}
	write("Makefile", "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL =\nEXTRAVERSION =\n")
	var e *VersionError
	if err := tree.checkFolder([]byte(head)); !errors.As(err, &e) || e.AVersion != "6.1.0" || e.BVersion != "6.1.192" {
		t.Error(err)
	}
	if isConfig([]byte("--- a/x\n+++ b/x\n")) || !isConfig([]byte(head)) {
		t.Error("what is a configuration")
	}
}
