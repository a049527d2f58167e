package ktree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/internal/child"
)

// fingerprint identifies a source: an archive by its file, a folder by the names, sizes and
// times of its files.
func fingerprint(ctx context.Context, source string) (string, error) {
	st, err := os.Stat(source)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if !st.IsDir() {
		fmt.Fprintf(h, "%s %d %d", filepath.Base(source), st.Size(), st.ModTime().UnixNano())
		return fmt.Sprintf("%x", h.Sum(nil)), nil
	}
	fmt.Fprintln(h, source)
	err = walkSource(ctx, source, func(rel string, d fs.DirEntry) error {
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			fmt.Fprintln(h, rel, info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// products are the ends of the names of what builds leave in a source.
var products = map[string]bool{".o": true, ".ko": true, ".a": true, ".cmd": true, ".mod": true, ".d": true, ".order": true, ".symvers": true}

// left are the paths, in a source, of what a build or a version control left there.
var left = []string{
	".git", ".config", ".config.old", ".tmp_versions", "include/generated", "include/config", "arch/*/include/generated",
	"vmlinux", "vmlinux.*", "System.map", "debian/build", "debian/stamps", "tags", "GPATH", "GRTAGS", "GTAGS", "cscope.*",
}

// skipped reports whether something in a source is no part of it: what a build left, and
// what belongs to the version control. What has a command beside it, which says how it was
// made, is made again.
func skipped(rel string, d fs.DirEntry, beside map[string]bool) bool {
	for _, pattern := range left {
		if ok, _ := filepath.Match(pattern, rel); ok && rel != "vmlinux.lds.S" {
			return true
		}
	}
	if d.IsDir() {
		return d.Name() == ".git"
	}
	return products[filepath.Ext(rel)] || beside["."+d.Name()+".cmd"]
}

// walkSource calls a function for all that is part of a source, folders first.
func walkSource(ctx context.Context, root string, f func(rel string, d fs.DirEntry) error) error {
	return walkFolder(ctx, root, "", f)
}

func walkFolder(ctx context.Context, root, dir string, f func(string, fs.DirEntry) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	list, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		return err
	}
	beside := map[string]bool{}
	for _, d := range list {
		beside[d.Name()] = true
	}
	for _, d := range list {
		rel := filepath.Join(dir, d.Name())
		if skipped(rel, d, beside) {
			continue
		}
		if err := f(rel, d); err != nil {
			return err
		}
		if d.IsDir() {
			if err := walkFolder(ctx, root, rel, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// unpack puts the source into a folder.
func (t *Tree) unpack(ctx context.Context, dir string) error {
	st, err := os.Stat(t.spec.Source)
	if err != nil {
		return err
	}
	if st.IsDir() {
		return copySource(ctx, t.spec.Source, dir, 2*t.spec.Jobs)
	}
	// By the system's own tar: a buildroot does not see the archive.
	cmd := exec.CommandContext(ctx, "tar", "--strip-components=1", "--no-same-owner", "-C", dir, "-xf", t.spec.Source)
	child.EndTogether(cmd)
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("unpack %s: %w: %s", t.spec.Source, err, bytes.TrimSpace(said[max(0, len(said)-500):]))
	}
	return nil
}

// copySource copies what is no product of a build.
func copySource(ctx context.Context, from, to string, jobs int) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	err := walkSource(gctx, from, func(rel string, d fs.DirEntry) error {
		src, dst := filepath.Join(from, rel), filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(dst, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(src)
			if err != nil {
				return err
			}
			return os.Symlink(target, dst)
		case d.Type().IsRegular():
			g.Go(func() error { return copyFile(src, dst) })
		}
		return nil
	})
	return errors.Join(g.Wait(), err)
}

// copyFile copies a file with its permissions and its time.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, st.Mode().Perm()|0o200)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in) // the file system shares the blocks, where it can (copy_file_range)
	return errors.Join(err, out.Close(), os.Chtimes(to, st.ModTime(), st.ModTime()))
}

// unxz and the like: what tar needs beside it, by the end of an archive's name.
var archivers = map[string]struct{ program, pkg string }{
	".xz": {"xz", "xz-utils"}, ".gz": {"gzip", "gzip"}, ".zst": {"zstd", "zstd"}, ".bz2": {"bzip2", "bzip2"},
}

// archiver returns what unpacks an archive beside tar.
func archiver(source string) (program, pkg string) {
	a := archivers[strings.ToLower(filepath.Ext(source))]
	return a.program, a.pkg
}
