package vmtest

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/vm"
)

// BuildProgram compiles the command of an import path of this module for guests, and
// returns the executable. The go tool links again only when something has changed.
func BuildProgram(ctx context.Context, importPath string) ([]byte, error) {
	cache, err := deb.OpenCache()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache.Dir(), "program")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	out := filepath.Join(dir, strings.ReplaceAll(importPath, "/", "_"))
	unlock, err := deb.Lock(ctx, out+".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := vm.GoBuild(ctx, "", out, importPath); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}
