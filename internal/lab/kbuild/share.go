package kbuild

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Share copies a prepared tree. The copy shares its files, but for those that make
// writes anew without removing them first: what has a command beside it, which
// says how it was made.
func Share(ctx context.Context, tree, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-al", tree, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy of the tree: %w: %s", err, out)
	}
	return filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), ".") || !strings.HasSuffix(d.Name(), ".cmd") {
			return err
		}
		made := filepath.Join(filepath.Dir(path), strings.TrimSuffix(d.Name()[1:], ".cmd"))
		if _, err := os.Stat(made); err != nil {
			return separate(path)
		}
		return errors.Join(separate(path), separate(made))
	})
}

// separate makes a file one of its own, and keeps its mode and time.
func separate(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	own := path + ".own"
	if err := os.WriteFile(own, text, st.Mode().Perm()); err != nil {
		return err
	}
	return errors.Join(os.Chtimes(own, time.Time{}, st.ModTime()), os.Rename(own, path))
}
