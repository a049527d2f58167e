package kbuild_test

import (
	"errors"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/deb"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vm"
)

// TestStock fetches and prepares what the tests of all packages need of the stock
// kernels. On a new machine that takes minutes: alone, and with -v, it tells how far
// it is.
func TestStock(t *testing.T) {
	for _, series := range vm.Releases() {
		t.Run(series, func(t *testing.T) {
			k := vm.Need(t, series)
			err := k.FetchAll(t.Context())
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
