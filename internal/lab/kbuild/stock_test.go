package kbuild_test

import (
	"errors"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// TestStock fetches and prepares what the tests of all packages need of the stock
// kernels. On a new machine that takes minutes: alone, and with -v, it tells how far
// it is.
func TestStock(t *testing.T) {
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) {
			k := vmtest.Need(t, series)
			_, err := k.FetchAll(vmtest.Context(t), nil)
			if errors.Is(err, deb.ErrUnavailable) {
				testenv.Skip(t, "%v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			kbuild.Need(t, k)
		})
	}
}
