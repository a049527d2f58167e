package deb

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

func tarball(t *testing.T, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		data := ""
		if h.Typeflag == tar.TypeReg {
			data, h.Linkname = h.Linkname, "" // the tables put the content there
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// tree lists what lies below a folder: mode, name, content or link target.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var got []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		info, err := d.Info()
		if err != nil {
			return err
		}
		if target, err := os.Readlink(name); err == nil {
			got = append(got, rel+" -> "+target)
			return nil
		}
		b, err := os.ReadFile(name)
		got = append(got, info.Mode().String()+" "+rel+" "+string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestExtract(t *testing.T) {
	in := tarball(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "./usr/", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeReg, Name: "./boot/vmlinuz-6", Mode: 0o644, Linkname: "image"},
		tar.Header{Typeflag: tar.TypeReg, Name: "./boot/config-6", Mode: 0o644, Linkname: "config"},
		tar.Header{Typeflag: tar.TypeReg, Name: "./usr/bin/objtool", Mode: 0o4755, Linkname: "elf"},
		tar.Header{Typeflag: tar.TypeLink, Name: "./usr/bin/twin", Linkname: "./usr/bin/objtool"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "./usr/src/kbuild", Linkname: "../bin"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "./usr/src/build", Linkname: "/usr/bin"},
		tar.Header{Typeflag: tar.TypeFifo, Name: "./etc/fifo"},
	)
	s := newSelection([]string{"boot/vmlinuz-*", "usr"})
	dir := t.TempDir()
	if _, err := extract(dir, in, s); err != nil {
		t.Fatal(err)
	}
	if err := s.missing(nil); err != nil {
		t.Error(err)
	}
	want := []string{
		"-rw-r--r-- boot/vmlinuz-6 image",
		"-rwxr-xr-x usr/bin/objtool elf",
		"-rwxr-xr-x usr/bin/twin elf",
		"usr/src/build -> ../../usr/bin",
		"usr/src/kbuild -> ../bin",
	}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
}

func TestExtractRefused(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: "x"} }
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	for name, headers := range map[string][]tar.Header{
		"parent":           {file("../evil")},
		"inner parent":     {file("a/../../evil")},
		"absolute":         {file("/evil")},
		"link out":         {link("a/l", "../../evil")},
		"hard link out":    {{Typeflag: tar.TypeLink, Name: "l", Linkname: "../evil"}},
		"file twice":       {file("a"), file("a")},
		"device":           {{Typeflag: tar.TypeChar, Name: "d"}},
		"through own link": {link("a", "b"), {Typeflag: tar.TypeDir, Name: "b"}, file("a/x"), file("b/x")},
	} {
		outside := t.TempDir()
		dir := filepath.Join(outside, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := extract(dir, tarball(t, headers...), newSelection([]string{"*"})); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := os.Lstat(filepath.Join(outside, "evil")); err == nil {
			t.Errorf("%s: a file was made outside", name)
		}
	}
	truncated := tarball(t, file("a")).Bytes()[:512] // the header alone
	if _, err := extract(t.TempDir(), bytes.NewReader(truncated), newSelection([]string{"*"})); err == nil {
		t.Error("truncated: accepted")
	}
}

// TestUnpackDeb has dpkg-deb build a package, in each compression that it knows.
func TestUnpackDeb(t *testing.T) {
	testenv.Need(t, "dpkg-deb")
	src := t.TempDir()
	for name, data := range map[string]string{
		"DEBIAN/control":  "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: x\n",
		"boot/vmlinux-1":  "first",
		"usr/share/other": "other",
		"usr/share/z":     strings.Repeat("large", 1<<20),
	} {
		name = filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, z := range []string{"gzip", "xz", "zstd", "none"} {
		file := filepath.Join(t.TempDir(), "x.deb")
		if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Z"+z, "--build", src, file).CombinedOutput(); err != nil {
			t.Errorf("dpkg-deb -Z%s: %v\n%s", z, err, out)
			continue
		}
		for _, c := range []struct{ patterns, want []string }{
			{[]string{"boot/vmlinux-1"}, []string{"-rw-r--r-- boot/vmlinux-1 first"}}, // stops early
			{[]string{"boot", "usr/*/other"}, []string{"-rw-r--r-- boot/vmlinux-1 first", "-rw-r--r-- usr/share/other other"}},
		} {
			dir := t.TempDir()
			if err := unpack(t.Context(), dir, file, newSelection(c.patterns)); err != nil {
				t.Errorf("%s: %q: %v", z, c.patterns, err)
			}
			if diff := cmp.Diff(c.want, tree(t, dir)); diff != "" {
				t.Errorf("%s: %q (-want +got):\n%s", z, c.patterns, diff)
			}
		}
	}
	bad := filepath.Join(t.TempDir(), "bad.deb")
	if err := os.WriteFile(bad, []byte("!<arch>\ngarbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unpack(t.Context(), t.TempDir(), bad, newSelection([]string{"*"})); err == nil {
		t.Error("a damaged package was accepted")
	}
}
