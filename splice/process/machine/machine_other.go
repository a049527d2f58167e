//go:build !(linux && amd64)

package machine

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// errPlatform is what everything answers where processes can't be patched.
var errPlatform = fmt.Errorf("processes on %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)

// Apply needs Linux on x86-64; elsewhere it returns an error that wraps errors.ErrUnsupported.
func Apply(_ context.Context, u *splice.Update, opt Options) (*Report, error) {
	return nil, fmt.Errorf("apply %s: %w", u.Name, errors.Join(opt.defaults(), checkUpdate(u), errPlatform))
}

// Status needs Linux on x86-64; elsewhere it returns an error that wraps errors.ErrUnsupported.
func Status(context.Context, Options) (*Report, error) {
	return nil, fmt.Errorf("status: %w", errPlatform)
}

// Revert needs Linux on x86-64; elsewhere it returns an error that wraps errors.ErrUnsupported.
func Revert(_ context.Context, id string, _ Options) (*Report, error) {
	return nil, fmt.Errorf("revert %s: %w", id, errPlatform)
}

// Verify needs Linux on x86-64; elsewhere it returns an error that wraps errors.ErrUnsupported.
func Verify(_ context.Context, u *splice.Update, _ Options) (*Report, error) {
	return nil, fmt.Errorf("verify %s: %w", u.Name, errPlatform)
}

// Inspect needs Linux on x86-64; elsewhere it returns an error that wraps errors.ErrUnsupported.
func Inspect(_ context.Context, did string, u *splice.Update, _ Options, _ func(int, *process.Inspection) (Outcome, string)) (*Report, error) {
	return nil, fmt.Errorf("%s %s: %w", did, u.Name, errPlatform)
}

// InspectAll needs Linux on x86-64; elsewhere it returns an error that wraps errors.ErrUnsupported.
func InspectAll(_ context.Context, did string, _ []*splice.Update, _ Options, _ func(int, int, *process.Inspection) (Outcome, string)) ([]*Report, error) {
	return nil, fmt.Errorf("%s: %w", did, errPlatform)
}

// Follow needs Linux on x86-64; elsewhere it returns an error that wraps errors.ErrUnsupported.
func Follow(context.Context, []*splice.Update, FollowOptions) error {
	return fmt.Errorf("follow: %w", errPlatform)
}
