package deb

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// selection is a set of patterns and which of them have chosen a file so far.
type selection struct {
	patterns []string
	used     []bool
}

func newSelection(patterns []string) *selection {
	return &selection{patterns: patterns, used: make([]bool, len(patterns))}
}

// chosen reports whether a pattern matches the name or a folder above it.
func (s *selection) chosen(name string) (bool, error) {
	found := false
	elems := strings.Split(name, "/")
	for i, ps := range s.patterns {
		for p := range strings.SplitSeq(ps, "|") {
			n := strings.Count(p, "/") + 1
			if n > len(elems) {
				continue
			}
			ok, err := path.Match(p, strings.Join(elems[:n], "/"))
			if err != nil {
				return false, fmt.Errorf("pattern %q: %w", p, err)
			}
			if ok {
				found, s.used[i] = true, true
			}
		}
	}
	return found, nil
}

func (s *selection) missing(pkgs []Package) error {
	if i := slices.Index(s.used, false); i >= 0 {
		return fmt.Errorf("nothing in %s matches %q", pkgs, s.patterns[i])
	}
	return nil
}

// complete reports whether name was all that was asked for: then the rest of a
// package of gigabytes need not be looked at.
func (s *selection) complete(name string) bool {
	return len(s.patterns) == 1 && s.patterns[0] == name
}

// unpack unpacks the chosen files of a package below dir.
func unpack(ctx context.Context, dir, file string, s *selection) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", file)
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	done, err := extract(dir, out, s)
	if err != nil || done {
		cancel()
		out.Close() // dpkg-deb has a child that would wait for us to read
		cmd.Wait()  // it was killed, or failed for the reason that err is about
		if stderr.Len() > 0 && err != nil {
			err = fmt.Errorf("%w (dpkg-deb: %s)", err, bytes.TrimSpace(stderr.Bytes()))
		}
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("dpkg-deb: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}

// extract reads a tar stream to its end, or until nothing else can be chosen,
// which it reports as done.
func extract(dir string, r io.Reader, s *selection) (done bool, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false, err
	}
	defer root.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, r) // what tar pads with; the writer must not see a closed pipe
			return false, err
		}
		if err != nil {
			return false, fmt.Errorf("tar: %w", err)
		}
		name := path.Clean(h.Name)
		if !filepath.IsLocal(name) {
			return false, fmt.Errorf("tar: %q leaves the folder", h.Name)
		}
		ok, err := s.chosen(name)
		if err != nil {
			return false, err
		}
		if !ok {
			continue
		}
		if err := extractFile(root, name, h, tr); err != nil {
			return false, fmt.Errorf("tar: %s: %w", h.Name, err)
		}
		if h.Typeflag == tar.TypeReg && s.complete(name) {
			return true, nil
		}
	}
}

func extractFile(root *os.Root, name string, h *tar.Header, r io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		return writeFile(root, name, fs.FileMode(h.Mode)&0o755|0o600, r)
	case tar.TypeSymlink:
		target, err := insideLink(name, h.Linkname)
		if err != nil {
			return err
		}
		return root.Symlink(target, name)
	case tar.TypeLink:
		return root.Link(path.Clean(h.Linkname), name)
	default:
		return fmt.Errorf("type %q is not unpacked", h.Typeflag)
	}
}

func writeFile(root *os.Root, name string, mode fs.FileMode, r io.Reader) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// insideLink returns the target that means the same below the folder as the
// link's own target would mean below "/". A package that was installed would
// have its absolute links point into itself or another package, not into the
// system that runs the test.
func insideLink(name, target string) (string, error) {
	if path.IsAbs(target) {
		up := strings.Repeat("../", strings.Count(name, "/"))
		target = path.Clean(up + strings.TrimLeft(path.Clean(target), "/"))
	}
	if !filepath.IsLocal(path.Join(path.Dir(name), target)) {
		return "", fmt.Errorf("link to %q leaves the folder", target)
	}
	return target, nil
}
