package image

import (
	"context"
	"errors"
	"testing"

	"github.com/gosplice/gosplice/reloc/image/internal/fakekernel"
)

// TestContext opens images with a context that is done.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, open := range map[string]func() (*Image, error){
		"file":    func() (*Image, error) { return OpenContext(ctx, "../testdata/tiny.elf", ModuleOptions{}) },
		"kernel":  func() (*Image, error) { return OpenKernelContext(ctx, "../testdata/tiny.elf") },
		"running": func() (*Image, error) { return NewRunningContext(ctx, fakekernel.Root()) },
	} {
		if img, err := open(); img != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
