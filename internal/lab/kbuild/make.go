package kbuild

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"

	"github.com/gosplice/gosplice/internal/child"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/ktree"
)

// identity returns make's arguments that have a kernel say about itself what the
// stock kernel says: its release, and who built it when and with what. Functions
// have some of this in them: a release of another length is another memcmp.
//
// They are given to every make: Makefile takes KERNELRELEASE from its command
// line before what it finds itself, in 6.1 as in 6.12, and so do Debian's rules.
func identity(k *debkernel.Kernel, config []byte) ([]string, error) {
	said, err := banner(k.Image)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.Image, err)
	}
	m := bannerForm.FindStringSubmatch(said)
	if m == nil || m[1] != k.Release {
		return nil, fmt.Errorf("%s: %q is not what a kernel of Debian says about itself", k.Image, said)
	}
	args := []string{
		"KERNELRELEASE=" + k.Release,
		"KBUILD_BUILD_USER=" + m[2], "KBUILD_BUILD_HOST=" + m[3], "KBUILD_BUILD_VERSION_TIMESTAMP=" + m[4],
		"DISTRIBUTION_OFFICIAL_BUILD=1", "DISTRIBUTOR=Debian", "DISTRIBUTION_VERSION=" + k.Package.Version,
	}
	if cc := compilerForm.FindSubmatch(config); cc != nil {
		if _, err := exec.LookPath(string(cc[1])); err == nil {
			args = append(args, "CC="+string(cc[1]))
		}
	}
	return args, nil
}

var (
	// bannerForm is "RELEASE (USER@HOST) UTS_VERSION", and UTS_VERSION is
	// "#1 SMP PREEMPT_DYNAMIC " with what Debian has instead of a time.
	bannerForm = regexp.MustCompile(`^(\S+) \((\S+)@(\S+)\) #\d+ (?:SMP )?(?:PREEMPT\S* )?(\S.*)$`)
	// compilerForm is the name by which the compiler was called.
	compilerForm = regexp.MustCompile(`(?m)^CONFIG_CC_VERSION_TEXT="(\S+) `)
)

// banner reads what a vmlinuz says about itself. The field kernel_version of its
// header, at 0x20e, is where the text begins, less 0x200
// (Documentation/x86/boot.rst).
func banner(vmlinuz string) (string, error) {
	const field, base, longest = 0x20e, 0x200, 256
	f, err := os.Open(vmlinuz)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var at [2]byte
	if _, err := f.ReadAt(at[:], field); err != nil {
		return "", err
	}
	text := make([]byte, longest)
	n, err := f.ReadAt(text, base+int64(binary.LittleEndian.Uint16(at[:])))
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	said, _, ok := bytes.Cut(text[:n], []byte{0})
	if !ok {
		return "", errors.New("the text of its version has no end")
	}
	return string(said), nil
}

// Goals returns make's arguments that have it make objects, such as
// "fs/proc/cmdline.o", each with the flags that it has in the whole kernel.
func (t *Tree) Goals(objects ...string) ([]string, error) { return ktree.Goals(t.Dir, objects...) }

// Make runs make in the tree's folder or in a copy of it, and returns what it
// said. It is told what kernel this is; args come last.
func (t *Tree) Make(ctx context.Context, dir string, args ...string) ([]byte, error) {
	args = slices.Concat([]string{"-s", "-j" + strconv.Itoa(runtime.NumCPU())}, t.args, args)
	name := "make"
	if t.root != "" {
		name, args = ktree.InBuildroot(t.root, t.cache.Dir(), dir, name, args)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, environ()
	// What make started is to end with it, and to leave no half of an object.
	child.EndTogether(cmd)
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return said, err
}

func environ() []string {
	return append(os.Environ(), "KBUILD_BUILD_TIMESTAMP=1970-01-01", "LC_ALL=C")
}
