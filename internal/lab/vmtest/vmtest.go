// Package vmtest has what tests need to boot stock kernels: a kernel ([Need]), a machine that
// is checked when the test ends ([New]), and words about what takes long ([Context]).
//
//	k := vmtest.Need(t, "6.12")
//	m := vmtest.New(t, vm.Options{Kernel: &k.Kernel, CPUs: 2, Log: vm.Policy{Taint: "OE"}})
//	err := m.Load(t.Context(), image, "")
package vmtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/vm"
)

// Need returns a stock kernel (see [debkernel.Stock]), or skips the test when nobody asked for
// kernels, or there is no emulator, no apt, or no such kernel.
func Need(t testing.TB, release string) *debkernel.Kernel {
	t.Helper()
	testenv.NeedKernels(t)
	testenv.Need(t, vm.Emulator, "apt-get", "apt-cache", "dpkg-deb", "go")
	k, err := debkernel.Stock(Context(t), release)
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Long skips a test that boots kernels when nobody asked for them, and in runs that are
// to be short, as those with the race detector are: what runs side by side in them is
// the business of package vm, whose own tests are not skipped.
func Long(t testing.TB) {
	t.Helper()
	testenv.NeedKernels(t)
	if testing.Short() {
		t.Skip("boots kernels")
	}
}

// New boots a machine for a test and closes it when the test ends. The test
// fails if it cannot be booted, if it is gone by then, and if [vm.Machine.Check]
// finds something that o.Log does not allow.
func New(t testing.TB, o vm.Options) *vm.Machine {
	t.Helper()
	// A test's own context ends before its cleanup, which the machine must see.
	ctx, cancel := context.WithCancel(context.WithoutCancel(Context(t)))
	m, err := vm.Start(ctx, o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := m.Check(ctx, o.Log); err != nil {
			t.Errorf("%s: %v", o.Kernel.Release, err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("%s: %v", o.Kernel.Release, err)
		}
	})
	return m
}

// Releases returns the releases of the stock kernels that tests try, for [Need].
func Releases() []string { return []string{"6.1", "6.12"} }
