package source

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/internal/files"
)

// ImageRunning as the Image of a [Kernel] is the kernel that runs here, without its vmlinux: its
// memory, its symbols and its BTF ([module.OpenRunning]). What can't be proven by these is refused.
// It takes root. Config and Modules may be "" then: they are those of the kernel that runs, which
// are /proc/config.gz or /boot/config-RELEASE, and /lib/modules/RELEASE.
const ImageRunning = "kcore"

// longestConfig is more than any configuration has, in bytes.
const longestConfig = 16 << 20

// root has proc, sys and boot of the machine.
func (o *Options) root() fs.FS {
	if o.Root != nil {
		return o.Root
	}
	return os.DirFS("/")
}

// fillRunning finds what is not given of the kernel that runs.
func (b *Builder) fillRunning() error {
	k, root := &b.kernel, b.opt.root()
	if k.Image != ImageRunning {
		return nil
	}
	said, err := fs.ReadFile(root, "proc/sys/kernel/osrelease")
	if err != nil {
		return fmt.Errorf("which kernel runs: %w", err)
	}
	release := strings.TrimSpace(string(said))
	if k.Release == "" {
		k.Release = release
	}
	if k.Release != release {
		return fmt.Errorf("the kernel that runs is %s, and not %s", release, k.Release)
	}
	if dir := filepath.Join("/lib/modules", release); k.Modules == "" && b.opt.Root == nil {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			k.Modules = dir
		}
	}
	if k.Config == "" {
		k.Config, err = b.runningConfig(root, release)
	}
	return err
}

// runningConfig returns the path of the configuration of the kernel that runs. The kernel's own
// word comes first; it is kept in the cache, by its content.
func (b *Builder) runningConfig(root fs.FS, release string) (string, error) {
	text, err := packedConfig(root)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = fs.ReadFile(root, "boot/config-"+release)
	}
	if err != nil {
		return "", fmt.Errorf("configuration of the kernel that runs: neither /proc/config.gz nor /boot/config-%s: %w: give it (mkupdate -config FILE)", release, err)
	}
	path := filepath.Join(b.cache, "config", fmt.Sprintf("%x", sha256.Sum256(text)))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, files.Write(path, bytes.NewReader(text))
}

func packedConfig(root fs.FS) ([]byte, error) {
	f, err := root.Open("proc/config.gz")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("/proc/config.gz: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, longestConfig+1))
	if err == nil && len(text) > longestConfig {
		err = fmt.Errorf("/proc/config.gz: more than %d bytes", longestConfig)
	}
	return text, err
}
