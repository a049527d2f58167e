package debkernel_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
)

// available fails the test for an error, or skips it when a package is missing.
func available(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestKernelFiles(t *testing.T) {
	testenv.Serial(t)
	testenv.NeedKernels(t)
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			k := vmtest.Need(t, series)
			if ok, err := k.Has("CONFIG_LIVEPATCH=y"); !ok || err != nil {
				t.Errorf("%s: livepatch: %v, %v", k.Release, ok, err)
			}
			names, err := k.Modules()
			if err != nil || len(names) < 500 || !slices.Contains(names, "nf_conntrack") {
				t.Errorf("%d modules, %v", len(names), err)
			}
			image, err := k.Module("nf-conntrack") // the file has the other spelling
			if err != nil {
				t.Fatal(err)
			}
			info, err := vm.ModInfo(image)
			if err != nil || info["name"] != "nf_conntrack" || !strings.HasPrefix(info["vermagic"], k.Release+" ") {
				t.Errorf("%v, %v", info, err)
			}
			// Debian's key is gone from the end, and nothing but the signature.
			if u := vm.Unsigned(image); len(u) >= len(image) || len(u) < len(image)-2000 {
				t.Errorf("%d bytes without a signature of %d", len(u), len(image))
			} else if again := vm.Unsigned(u); len(again) != len(u) {
				t.Error("a module without a signature was cut")
			}
			if _, err := k.Module("no_such"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("unknown module: %v", err)
			}
		})
	}
	if _, err := debkernel.Stock(t.Context(), "1.2"); !errors.Is(err, deb.ErrUnavailable) {
		t.Errorf("a kernel that is not served: %v", err)
	}
}

// TestKernelBuild fetches what other packages of the same build hold.
func TestKernelBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("downloads packages")
	}
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			k := vmtest.Need(t, series)
			name, err := k.Symvers(vmtest.Context(t))
			available(t, err)
			b, err := os.ReadFile(name)
			if err != nil || !bytes.Contains(b, []byte("\tklp_enable_patch\tvmlinux\tEXPORT_SYMBOL_GPL\t")) {
				t.Errorf("%s: %d bytes, %v", name, len(b), err)
			}
			name, err = k.Objtool(vmtest.Context(t))
			available(t, err)
			out, _ := exec.Command(name, "--help").CombinedOutput()
			if !bytes.Contains(out, []byte("--orc")) {
				t.Errorf("%s --help: %.200s", name, out)
			}
			dir, err := k.Headers(vmtest.Context(t))
			available(t, err)
			if _, err := os.Stat(dir + "/usr/src/linux-headers-" + k.Release + "/scripts/mod/modpost"); err != nil {
				t.Error(err) // reached through links between three packages
			}
		})
	}
}

// TestVmlinux fetches the debug package, the largest of all.
func TestVmlinux(t *testing.T) {
	if testing.Short() {
		t.Skip("downloads hundreds of megabytes")
	}
	k := vmtest.Need(t, "6.1")
	name, err := k.Vmlinux(vmtest.Context(t))
	available(t, err)
	f, err := elfobj.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(syms, func(s elfobj.Symbol) bool { return s.Name == "cmdline_proc_show" }) {
		t.Errorf("%s: none of %d symbols is cmdline_proc_show", name, len(syms))
	}
}
