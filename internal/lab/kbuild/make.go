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
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
	"github.com/gosplice/gosplice/internal/debkernel"
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
//
// make enters arch/x86, and from the root once more some folders below it. When
// it is asked for an object in one of them, both compile it, to the same file,
// and only the latter has the flags that the folder's Makefile gives one file.
// Thus what make enters from the root, and with which objects, is said here.
func (t *Tree) Goals(objects ...string) ([]string, error) {
	inner, err := t.entered()
	if err != nil {
		return nil, err
	}
	dirs := map[string]bool{}
	for _, object := range objects {
		dir := "."
		for _, d := range inner {
			if strings.HasPrefix(object, d+"/") {
				dir = d
			}
		}
		dirs[dir] = true
	}
	enter := make([]string, 0, len(dirs))
	for d := range dirs {
		enter = append(enter, d)
	}
	slices.Sort(enter)
	// Makefiles below tools have a build-dir too, which what make is told replaces.
	dir := "build-dir=$(if $(single-no-ko)," + strings.Join(enter, " ") + ",$(srctree)/tools/build)"
	return append([]string{dir, goals}, objects...), nil
}

// goals is how make finds out which of the objects it makes in the folder $@.
const goals = `single-goals=$(if $(filter .,$@),` +
	`$(addprefix ./,$(filter-out $(addsuffix /%,$(filter-out .,$(build-dir))),$(single-no-ko))),` +
	`$(filter $@/%,$(single-no-ko)))`

// entered lists the folders below arch/x86 that make enters from the root.
func (t *Tree) entered() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(t.Dir, "arch/x86/Makefile"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, m := range enteredForm.FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	if len(out) == 0 {
		return nil, errors.New("arch/x86/Makefile names no folders")
	}
	return out, nil
}

var enteredForm = regexp.MustCompile(`(?m)^(?:core|drivers|libs)-\S+\s*\+=\s*(arch/x86/\S+)/$`)

// Make runs make in the tree's folder or in a copy of it, and returns what it
// said. It is told what kernel this is; args come last.
func (t *Tree) Make(ctx context.Context, dir string, args ...string) ([]byte, error) {
	args = slices.Concat([]string{"-s", "-j" + strconv.Itoa(runtime.NumCPU())}, t.args, args)
	cmd := exec.CommandContext(ctx, "make", args...)
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
