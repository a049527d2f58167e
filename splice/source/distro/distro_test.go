package distro

import (
	"context"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/splice/module"
)

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Debian(t.Context(), "6.1", Options{Cache: t.TempDir()})
	var e *MissingError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "apt-get install --no-install-recommends apt dpkg") {
		t.Errorf("%v, want a MissingError", err)
	}
}

func TestSuites(t *testing.T) {
	for release, want := range map[string]string{
		"6.1": "bookworm", "6.1.0-50-amd64": "bookworm", "6.12.9+deb12-amd64": "bookworm", "6.12": "trixie",
		"6.12.43+deb13-amd64": "trixie", "5.10.0-32-amd64": "bullseye", "6.10": "", "6.12.9+bpo-amd64": "", "": "",
	} {
		got := ""
		if s := suitesOf(release); len(s) > 0 {
			got = s[0]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", release, got, want)
		}
	}
}

// system writes files of a system.
func system(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const debianVersion = "Linux version 6.1.0-50-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, " +
	"GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)\n"

func TestReadMachine(t *testing.T) {
	for name, c := range map[string]struct {
		files                    map[string]string
		release, version, system string
		fails                    bool
	}{
		"debian":  {map[string]string{"proc/version": debianVersion, "etc/os-release": "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"}, "6.1.0-50-cloud-amd64", "6.1.176-1", "Debian GNU/Linux 12", false},
		"ubuntu":  {map[string]string{"proc/version": "Linux version 6.8.0-31-generic (buildd@x) (gcc 13) #31-Ubuntu SMP PREEMPT_DYNAMIC Sat Apr 20 00:40:06 UTC 2024\n"}, "6.8.0-31-generic", "", "", false},
		"own":     {map[string]string{"proc/version": "Linux version 7.0.0 (me@Debian) (gcc) #1 SMP Debian 1 (never)\n"}, "7.0.0", "", "", false},
		"no proc": {nil, "", "", "", true},
		"garbage": {map[string]string{"proc/version": "GNU Hurd"}, "", "", "", true},
		"empty":   {map[string]string{"proc/version": ""}, "", "", "", true},
	} {
		m, err := readMachine(system(t, c.files))
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (m.release != c.release || m.version != c.version || m.distribution != c.system) {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestForeign(t *testing.T) {
	o := Options{Cache: t.TempDir()}
	_, err := o.running(t.Context(), system(t, map[string]string{"proc/version": "Linux version 6.8.0 (x)\n"}))
	var e *ForeignError
	if !errors.As(err, &e) || e.Release != "6.8.0" || !strings.Contains(err.Error(), "-src DIR -config FILE -run VMLINUX -modules DIR") {
		t.Errorf("%v, want a ForeignError", err)
	}
}

// TestDebian fetches a kernel, or has it from the cache.
func TestDebian(t *testing.T) {
	vmtest.Long(t)
	testenv.Need(t, "apt-get", "apt-cache", "dpkg-deb")
	last := -1
	f, err := Debian(vmtest.Context(t), "6.1", Options{Progress: func(stage string, done, total int) {
		if stage != "fetch" || done < last || done > total {
			t.Errorf("%s %d of %d after %d", stage, done, total, last)
		}
		last = done
	}})
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{f.Source, f.Config, f.Image, f.Modules, f.Symvers, f.Boot, f.Objtool} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	k, err := kernel.Open(f.Image)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	banner, err := k.Banner()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(f.Release, "6.1.0-") || !strings.HasPrefix(banner, "Linux version "+f.Release+" (") || !strings.Contains(banner, " Debian "+f.Version+" (") {
		t.Errorf("%+v", f)
	}
	if !slices.Contains(f.Make, "DISTRIBUTION_VERSION="+f.Version) {
		t.Errorf("make is told %q", f.Make)
	}

	// A machine that runs it is found out to do so.
	image, err := elf.Open(f.Image)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	notes, err := image.Section(".notes").Data()
	if err != nil {
		t.Fatal(err)
	}
	root := system(t, map[string]string{"proc/version": banner + "\n", "sys/kernel/notes": string(notes)})
	o := Options{}
	again, err := o.running(vmtest.Context(t), root)
	if err != nil || again.Image != f.Image {
		t.Errorf("%+v, %v", again, err)
	}
	if err := os.WriteFile(filepath.Join(root, "sys/kernel/notes"), []byte("of another build"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := o.running(vmtest.Context(t), root); err == nil || !strings.Contains(err.Error(), "another build") {
		t.Errorf("another build: %v", err)
	}
}

// TestNotServed asks for what nobody has.
// TestGenerations: kernels of other releases of Debian are found, and are of a generation that is
// known, or refused.
func TestGenerations(t *testing.T) {
	testenv.NeedKernels(t)
	testenv.Need(t, "apt-get", "apt-cache", "dpkg-deb")
	if !testenv.Asked(testenv.More) {
		t.Skip("fetches a GB")
	}
	for release, known := range map[string]bool{"5.10.0-32-cloud-amd64": true, "7.3.4+deb13-cloud-amd64": true} {
		f, err := Debian(vmtest.Context(t), release, Options{})
		if errors.Is(err, deb.ErrUnavailable) {
			t.Logf("%v", err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", release, err)
			continue
		}
		for _, path := range []string{f.Image, f.Boot} {
			g, err := module.Probe(t.Context(), path)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			err = g.Err()
			if !strings.HasPrefix(g.Banner, "Linux version "+release+" (") || (err == nil) != known || !known && !errors.Is(err, module.CodeGeneration) {
				t.Errorf("%s: %s: %v", path, g.Banner, err)
			}
		}
	}
}

func TestNotServed(t *testing.T) {
	vmtest.Long(t)
	testenv.Need(t, "apt-get", "apt-cache", "dpkg-deb")
	_, err := Debian(t.Context(), "9.9.0-1-cloud-amd64", Options{})
	var e *NotServedError
	if !errors.As(err, &e) || e.Release != "9.9.0-1-cloud-amd64" || len(e.Nearest) == 0 {
		t.Errorf("%v, want a NotServedError with the nearest", err)
	}
	_, err = Debian(t.Context(), "6.1", Options{Cache: t.TempDir(), Suites: []string{"trixie"}, Mirror: "http://127.0.0.1:1/debian"})
	if !errors.Is(err, deb.ErrUnavailable) || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("no mirror: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Debian(ctx, "6.1", Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
