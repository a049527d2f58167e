package vm

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gosplice/gosplice/internal/child"
	"github.com/gosplice/gosplice/internal/deb"
)

// guestSource is the program that is the guest's init. Who has a tool of this module has no
// source of it around, and what is in here is that of the very tool. It needs no package but
// Go's own.
//
//go:embed guest/*.go wire/wire.go
var guestSource embed.FS

// guestModule is the go.mod for it: the paths of the packages are those that they have here.
const guestModule = "module github.com/gosplice/gosplice\n\ngo 1.24\n"

const (
	guestFolder  = "internal/vm"
	guestCommand = "./" + guestFolder + "/guest"
)

// NoGoError tells that the program that runs in guests is not built yet, and that there is no
// go command for it.
type NoGoError struct{ Err error }

// Error says what is missing.
func (e *NoGoError) Error() string {
	return fmt.Sprintf("the program that runs in the guest is built once, by Go 1.24 or later: %v", e.Err)
}

// Unwrap returns Err.
func (e *NoGoError) Unwrap() error { return e.Err }

// GuestBuilt reports whether the program for guests is in the cache, so that none of the
// tools is needed that build it. "" is the user's cache.
func GuestBuilt(folder string) bool {
	cache, name, err := guestPlace(folder)
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(cache.Dir(), name))
	return err == nil
}

// guestPlace returns the cache, and the name that the program has in it: that of its source.
func guestPlace(folder string) (*deb.Cache, string, error) {
	open := deb.OpenCache
	if folder != "" {
		open = func() (*deb.Cache, error) { return deb.NewCache(folder) }
	}
	cache, err := open()
	if err != nil {
		return nil, "", err
	}
	h := sha256.New()
	err = fs.WalkDir(guestSource, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := guestSource.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n%s", path, len(b), b)
		return err
	})
	return cache, fmt.Sprintf("program/guest-%.12x", h.Sum(nil)), err
}

// guestProgram returns the executable of the guest's init, built once for a cache.
func guestProgram(ctx context.Context, folder string) ([]byte, error) {
	cache, name, err := guestPlace(folder)
	if err != nil {
		return nil, err
	}
	dir, err := cache.Make(ctx, name, func(dir string) error {
		deb.Progress(ctx, "build the program that runs in the guest")
		return buildGuest(ctx, dir)
	})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, guestExecutable))
}

const guestExecutable = "init"

// buildGuest writes the executable into dir.
func buildGuest(ctx context.Context, dir string) error {
	work, err := os.MkdirTemp("", "gosplice-guest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	err = errors.Join(os.CopyFS(filepath.Join(work, guestFolder), guestSource),
		os.WriteFile(filepath.Join(work, "go.mod"), []byte(guestModule), 0o644))
	if err != nil {
		return fmt.Errorf("source of the guest's program: %w", err)
	}
	return GoBuild(ctx, work, filepath.Join(dir, guestExecutable), guestCommand)
}

// GoBuild compiles a command without cgo, for any Linux on x86-64, as guests have no
// libraries. The module is that of the folder. The error is a [NoGoError] when there is no
// go command.
func GoBuild(ctx context.Context, dir, out, pkg string) error {
	path, err := exec.LookPath("go")
	if err != nil {
		return &NoGoError{err}
	}
	cmd := exec.CommandContext(ctx, path, "build", "-o", out, "-race=false", "-cover=false", "-buildvcs=false", "-ldflags=-s -w", pkg)
	child.EndTogether(cmd)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GO111MODULE=on", "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1")
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, said)
	}
	return nil
}
