//go:build !(linux && amd64)

package process

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
)

// errPlatform is what everything answers where processes can't be patched.
var errPlatform = fmt.Errorf("processes on %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)

// Apply needs Linux on x86-64; elsewhere it returns an error that wraps
// errors.ErrUnsupported.
func Apply(_ context.Context, pid int, u *splice.Update, _ Options) (*Report, error) {
	return nil, fmt.Errorf("apply %s to process %d: %w", u.Name, pid, errPlatform)
}

// Revert needs Linux on x86-64; elsewhere it returns an error that wraps
// errors.ErrUnsupported.
func Revert(_ context.Context, pid int, _ string, _ Options) (*Report, error) {
	return nil, fmt.Errorf("revert in process %d: %w", pid, errPlatform)
}

// Status needs Linux on x86-64; elsewhere it returns an error that wraps
// errors.ErrUnsupported.
func Status(_ context.Context, pid int) ([]Report, error) {
	return nil, fmt.Errorf("status of process %d: %w", pid, errPlatform)
}

// StatusOf needs Linux on x86-64; elsewhere it returns an error that wraps
// errors.ErrUnsupported.
func StatusOf(context.Context, *reloc.Image) ([]Report, error) {
	return nil, fmt.Errorf("status of an image: %w", errPlatform)
}

// Inspect needs Linux on x86-64; elsewhere it returns an error that wraps
// errors.ErrUnsupported.
func Inspect(_ context.Context, pid int, u *splice.Update) (*Inspection, error) {
	return nil, fmt.Errorf("inspect %s in process %d: %w", u.Name, pid, errPlatform)
}

// A View needs Linux on x86-64.
type View struct{}

// OpenView needs Linux on x86-64; elsewhere it returns an error that wraps
// errors.ErrUnsupported.
func OpenView(_ context.Context, pid int) (*View, error) {
	return nil, fmt.Errorf("look at process %d: %w", pid, errPlatform)
}

// Image returns nil.
func (v *View) Image() *reloc.Image { return nil }

// Check returns an error that wraps errors.ErrUnsupported.
func (v *View) Check() error { return errPlatform }

// Close does nothing.
func (v *View) Close() error { return nil }

// Inspect returns an error that wraps errors.ErrUnsupported.
func (v *View) Inspect(u *splice.Update) (*Inspection, error) {
	return nil, fmt.Errorf("inspect %s: %w", u.Name, errPlatform)
}

// Started is what became of one update of a process that was started.
type Started struct {
	Report *Report
	Early  bool
	Err    error
}

// ApplyAtStart needs Linux on x86-64; elsewhere its errors wrap errors.ErrUnsupported.
func ApplyAtStart(_ context.Context, pid int, updates []*splice.Update, _ Options) []Started {
	out := make([]Started, len(updates))
	for i, u := range updates {
		out[i].Err = fmt.Errorf("apply %s to process %d: %w", u.Name, pid, errPlatform)
	}
	return out
}

// ApplyAtExec needs Linux on x86-64; elsewhere its errors wrap errors.ErrUnsupported.
func ApplyAtExec(ctx context.Context, pid, tid int, release func(), updates []*splice.Update, opt Options) []Started {
	release()
	return ApplyAtStart(ctx, pid, updates, opt)
}
