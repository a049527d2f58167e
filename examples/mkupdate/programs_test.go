//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/source/report"
)

// TestPrograms makes updates of two programs of one source, one of a library, and refuses before
// anything is built.
func TestPrograms(t *testing.T) {
	testenv.Need(t, "gcc", "make", "ar", "unshare")
	dir := t.TempDir()
	src, cache := filepath.Join(dir, "src"), filepath.Join(dir, "cache")
	if err := os.CopyFS(src, os.DirFS("../../internal/cbuild/testdata/tree")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("make", "-s", "-C", src).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	price, err := filepath.Abs("../../splice/source/program/testdata/price.patch")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, build string
		files       string
		status      int
		says        string
		code        string
	}{
		{"made", "make -B", "price.html price.json price.shop.update price.till.update", exitMade, "replaces price at 0x", ""},
		{"not built", "make CFLAGS=-flto", "price.html price.json", exitRefused, "refused lto", "lto"},
		{"no build", "false", "price.html price.json", exitError, "error while building the source", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := t.TempDir()
			status, text, errs := tool.Try(t.Context(), run, "-src", src, "-build", c.build, "-cache", cache, "-out", out, price)
			if status != c.status || !strings.Contains(text, c.says) {
				t.Fatalf("status %d: %s\n%s", status, text, errs)
			}
			list, err := filepath.Glob(filepath.Join(out, "*"))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(strings.Join(list, " "), out+"/", ""); got != c.files {
				t.Errorf("written: %s", got)
			}
			f, err := os.Open(filepath.Join(out, "price.json"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			d, err := report.Read(f)
			if err != nil {
				t.Fatal(err)
			}
			if has := len(d.Result.Refusals) == 1; has != (c.code != "") || has && string(d.Result.Refusals[0].Code) != c.code {
				t.Errorf("%v", d.Result.Refusals)
			}
			readUpdates(t, out, d)
		})
	}
}

// readUpdates reads the updates of a report as hotpatch does.
func readUpdates(t *testing.T, dir string, d *report.Document) {
	t.Helper()
	for _, x := range d.Updates {
		f, err := os.Open(filepath.Join(dir, x.Name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		u, err := splice.ReadUpdate(f)
		if err != nil || u.ID() != x.ID || strings.Join(u.Fixes, " ") != "CVE-2026-0002" {
			t.Errorf("%s: %v", x.Name, err)
		}
	}
}
