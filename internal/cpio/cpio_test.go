package cpio_test

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/cpio"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

type file struct {
	cpio.Entry
	data string
}

// files has names and contents of every length modulo 4, so that each padding occurs.
var files = []file{
	{cpio.Entry{Name: "dev", Type: cpio.Dir, Perm: 0o755}, ""},
	{cpio.Entry{Name: "dev/console", Type: cpio.Char, Perm: 0o600, Major: 5, Minor: 1}, ""},
	{cpio.Entry{Name: "a", Type: cpio.Regular, Perm: 0o644}, ""},
	{cpio.Entry{Name: "ab", Type: cpio.Regular, Perm: 0o644}, "1"},
	{cpio.Entry{Name: "abc", Type: cpio.Regular, Perm: 0o644}, "12"},
	{cpio.Entry{Name: "abcd", Type: cpio.Regular, Perm: 0o4755}, "123"},
	{cpio.Entry{Name: "abcde", Type: cpio.Regular, Perm: 0o644}, "1234\x00\xff"},
	{cpio.Entry{Name: "link", Type: cpio.Symlink, Perm: 0o777}, "dev/console"},
}

func archive(t *testing.T, files []file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := cpio.NewWriter(&b)
	for _, f := range files {
		if err := w.Add(f.Entry, []byte(f.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHeader(t *testing.T) {
	got := archive(t, []file{{cpio.Entry{Name: "init", Type: cpio.Regular, Perm: 0o755}, "#!x\n!"}})
	want := "070701" + "00000001" + "000081ED" + "00000000" + "00000000" + "00000001" + "00000000" + "00000005" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000005" + "00000000" + "init\x00\x00" + "#!x\n!\x00\x00\x00" +
		"070701" + "00000001" + "00000000" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "0000000B" + "00000000" + "TRAILER!!!\x00\x00\x00\x00"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
	if len(got)%4 != 0 {
		t.Errorf("archive of %d bytes is not a multiple of 4", len(got))
	}
}

// TestCpio asks the cpio program what it sees. The kernel is asked in
// internal/vm, whose guest starts from such an archive.
func TestCpio(t *testing.T) {
	testenv.Need(t, "cpio")
	dir := t.TempDir()
	run := func(args ...string) string {
		cmd := exec.Command("cpio", args...)
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(archive(t, files))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("cpio %s: %v\n%s", args, err, &stderr)
		}
		return string(out)
	}
	var want []string
	for _, f := range files {
		want = append(want, f.Name)
	}
	if diff := cmp.Diff(want, strings.Fields(run("-t", "--quiet"))); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	for _, f := range files {
		if f.Type != cpio.Regular {
			continue
		}
		if got := run("-i", "--quiet", "--to-stdout", f.Name); got != f.data {
			t.Errorf("%s: got %q, want %q", f.Name, got, f.data)
		}
	}
	long := run("-tv", "--quiet")
	for _, want := range []string{"drwxr-xr-x", "5,   1", "-rwsr-xr-x", "link -> dev/console"} {
		if !strings.Contains(long, want) {
			t.Errorf("cpio -tv does not show %q:\n%s", want, long)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, f := range map[string]file{
		"no name":       {cpio.Entry{Type: cpio.Regular}, ""},
		"absolute":      {cpio.Entry{Name: "/init", Type: cpio.Regular}, ""},
		"NUL":           {cpio.Entry{Name: "a\x00b", Type: cpio.Regular}, ""},
		"trailer":       {cpio.Entry{Name: "TRAILER!!!", Type: cpio.Regular}, ""},
		"long":          {cpio.Entry{Name: strings.Repeat("x", 4096), Type: cpio.Regular}, ""},
		"type":          {cpio.Entry{Name: "x"}, ""},
		"type in perm":  {cpio.Entry{Name: "x", Type: cpio.Regular, Perm: 0o100644}, ""},
		"folder's data": {cpio.Entry{Name: "x", Type: cpio.Dir}, "x"},
		"empty link":    {cpio.Entry{Name: "x", Type: cpio.Symlink}, ""},
	} {
		var b bytes.Buffer
		if err := cpio.NewWriter(&b).Add(f.Entry, []byte(f.data)); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if b.Len() != 0 {
			t.Errorf("%s: %d bytes were written all the same", name, b.Len())
		}
	}
}

type full struct{ room int }

var errFull = errors.New("full")

func (f *full) Write(p []byte) (int, error) {
	n := min(f.room, len(p))
	f.room -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestErrorSticks(t *testing.T) {
	w := cpio.NewWriter(&full{room: 120})
	if err := w.Add(files[0].Entry, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Add(files[1].Entry, nil); !errors.Is(err, errFull) {
			t.Errorf("Add: %v, want %v", err, errFull)
		}
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("Close: %v, want %v", err, errFull)
	}
}
