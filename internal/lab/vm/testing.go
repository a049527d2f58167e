package vm

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/deb"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// Need returns a stock kernel (see [Stock]), or skips the test when nobody asked for
// kernels, or there is no emulator, no apt, or no such kernel.
func Need(t testing.TB, release string) *Kernel {
	t.Helper()
	testenv.NeedKernels(t)
	testenv.Need(t, qemu, "apt-get", "apt-cache", "dpkg-deb", "go")
	k, err := Stock(t.Context(), release)
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
// the business of this package, whose own tests are not skipped.
func Long(t testing.TB) {
	t.Helper()
	testenv.NeedKernels(t)
	if testing.Short() {
		t.Skip("boots kernels")
	}
}

// New boots a machine for a test and closes it when the test ends. The test
// fails if it cannot be booted, if it is gone by then, and if [Machine.Check]
// finds something that o.Log does not allow.
func New(t testing.TB, o Options) *Machine {
	t.Helper()
	// A test's own context ends before its cleanup, which the machine must see.
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	m, err := Start(ctx, o)
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
