package source_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/bundle"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/distro"
)

// runningBuilder opens the kernel of a guest, of which there is no vmlinux.
func runningBuilder(t *testing.T, m *vm.Machine, f *distro.Files) *source.Builder {
	t.Helper()
	b, err := source.Open(vmtest.Context(t), source.Kernel{
		Source: f.Source, Config: f.Config, Image: source.ImageRunning, Modules: f.Modules, Symvers: f.Symvers, Make: f.Make,
	}, source.Options{Bundle: true, Module: module.Options{Name: "fix"}, Root: m.FS(t.Context())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestRunning makes an update of a patch without a vmlinux, by the memory, the symbols and the BTF
// of a kernel that runs, and has it run there.
func TestRunning(t *testing.T) {
	vmtest.Long(t)
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			if series != vmtest.Releases()[0] && !testenv.Asked(testenv.Long) {
				t.Skip("package module has it made of that kernel's memory; set GOSPLICE_TEST=kernel,long")
			}
			testRunning(t, series)
		})
	}
}

func testRunning(t *testing.T, series string) {
	stock := vmtest.Need(t, series)
	testenv.Need(t, "gcc-12", "make", "flex", "bison", "bc", "xz")
	f, err := distro.Debian(vmtest.Context(t), stock.Release, distro.Options{NoImage: true})
	if err != nil || f.Image != "" {
		t.Fatalf("%q, %v", f.Image, err)
	}
	m := vmtest.New(t, vm.Options{Kernel: &stock.Kernel, CPUs: 1, Log: vm.Policy{Taint: "OEK"}})
	b := runningBuilder(t, m, f)
	if id := b.Identity(); id.Release != stock.Release || id.BuildID == "" || id.Config == "" {
		t.Errorf("%+v", id)
	}
	plan, err := b.Plan(t.Context(), patchOf(t, b, "test.patch", good, inModule))
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Build(t.Context(), plan)
	if err != nil || r.Outcome != source.OutcomeMade {
		t.Fatalf("%v, %s: %v", err, r.Outcome, r.Refusals)
	}
	sameAgain(t, m, r.Bundle, r.Update, f)
	if err := m.Modprobe(t.Context(), "8021q", ""); err != nil {
		t.Fatal(err)
	}
	liveThere(t, m, r.Update)
}

// sameAgain makes the update again, of a bundle: for the build that it was made with it is the same.
func sameAgain(t *testing.T, m *vm.Machine, made *bundle.Bundle, update *module.Module, f *distro.Files) {
	t.Helper()
	k, err := module.OpenRunning(t.Context(), m.FS(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	symvers, err := os.Open(f.Symvers)
	if err != nil {
		t.Fatal(err)
	}
	defer symvers.Close()
	if err := k.UseSymvers(symvers); err != nil {
		t.Fatal(err)
	}
	again, err := unbundle(t, made, k, f.Modules)
	if err != nil || again.ID != update.ID || !bytes.Equal(again.Bytes(), update.Bytes()) {
		t.Errorf("of the bundle: %+v, %v", again, err)
	}
}

// liveThere loads the update of good and inModule, sees both, and takes it back.
func liveThere(t *testing.T, m *vm.Machine, update *module.Module) {
	t.Helper()
	show := func(fixed bool) {
		t.Helper()
		for path, text := range map[string]string{"/proc/cmdline": " fixed\n", "/proc/net/vlan/config": "VLAN device"} {
			got, err := m.ReadFile(t.Context(), path)
			if err != nil || strings.Contains(string(got), text) != fixed {
				t.Errorf("%s: %q, %v, want fixed %v", path, got, err, fixed)
			}
		}
	}
	show(false)
	patched(t, m, update)
	show(true)
	reverted(t, m, update)
	show(false)
}

// TestRunningFiles: what is not given of the kernel that runs is found, or named.
func TestRunningFiles(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("CONFIG_X86=y\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	release := &fstest.MapFile{Data: []byte("6.1.0\n")}
	for _, c := range []struct {
		name string
		root fstest.MapFS
		k    source.Kernel
		says string
	}{
		{"no release", fstest.MapFS{}, source.Kernel{}, "which kernel runs"},
		{"no configuration", fstest.MapFS{"proc/sys/kernel/osrelease": release}, source.Kernel{}, "neither /proc/config.gz nor /boot/config-6.1.0"},
		{"damaged", fstest.MapFS{"proc/sys/kernel/osrelease": release, "proc/config.gz": {Data: packed.Bytes()[:20]}}, source.Kernel{}, "configuration of the kernel that runs"},
		{"another", fstest.MapFS{"proc/sys/kernel/osrelease": release}, source.Kernel{Release: "6.2"}, "is 6.1.0, and not 6.2"},
		{"own word", fstest.MapFS{"proc/sys/kernel/osrelease": release, "proc/config.gz": {Data: packed.Bytes()}}, source.Kernel{}, "the source of the kernel 6.1.0 is not given"},
		{"boot", fstest.MapFS{"proc/sys/kernel/osrelease": release, "boot/config-6.1.0": {Data: []byte("x")}}, source.Kernel{Source: t.TempDir()}, "kcore"},
	} {
		c.k.Image = source.ImageRunning
		_, err := source.Open(t.Context(), c.k, source.Options{Cache: t.TempDir(), Root: c.root})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}
