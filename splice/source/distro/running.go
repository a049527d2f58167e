package distro

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/kernel"
)

// Running returns the files of the kernel of this machine, when it is one of Debian: what is
// installed of them, and the rest as [Debian] does. The kernel says itself in /proc/version
// of which version it is, since a newer one of the same release may be installed that was
// not booted yet. The image has to have the build-id of the kernel that runs.
//
// For any other kernel the error is a [ForeignError].
func Running(ctx context.Context, o Options) (*Files, error) {
	return o.running(ctx, "/")
}

func (o *Options) running(ctx context.Context, root string) (*Files, error) {
	m, err := readMachine(root)
	if err != nil {
		return nil, err
	}
	if m.version == "" {
		return nil, &ForeignError{Release: m.release, Distribution: m.distribution}
	}
	f, err := o.get(ctx, m.release, m.version, root)
	if err != nil {
		return nil, fmt.Errorf("the kernel that runs here: %w", err)
	}
	return f, m.check(f)
}

// ForeignError tells that the kernel of this machine is not one that Debian built, so that its
// files have to be given.
type ForeignError struct {
	Release      string // as uname -r prints it
	Distribution string // as /etc/os-release has it; "" when that is not there
}

// Error says how to give the files.
func (e *ForeignError) Error() string {
	on := e.Distribution
	if on == "" {
		on = "a system that does not tell its name"
	}
	return fmt.Sprintf("the kernel %s, on %s, is not one that Debian built: its source, configuration, image with symbols and modules have to be given "+
		"(-src DIR -config FILE -run VMLINUX -modules DIR), or another kernel named (-kernel RELEASE)", e.Release, on)
}

// machine is what a system says about itself.
type machine struct {
	release      string
	version      string // of Debian's packages of the kernel; "" when Debian did not build it
	distribution string
	notes        []byte // the kernel's; nil for who may not read them
}

// versionForm is how a kernel of Debian ends what it says about itself: version, and date of
// its changelog's entry.
var versionForm = regexp.MustCompile(` Debian (\S+) \(\d{4}-\d\d-\d\d\)\s*$`)

// readMachine reads the files of proc, sysfs and etc below root.
func readMachine(root string) (*machine, error) {
	said, err := os.ReadFile(filepath.Join(root, "proc/version"))
	if err != nil {
		return nil, fmt.Errorf("which kernel runs: %w", err)
	}
	f := strings.Fields(string(said))
	if len(f) < 3 || f[0] != "Linux" || f[1] != "version" {
		return nil, fmt.Errorf("which kernel runs: /proc/version says %.80q", said)
	}
	m := &machine{release: f[2]}
	if v := versionForm.FindSubmatch(said); v != nil {
		m.version = string(v[1])
	}
	system, err := deb.OSRelease(root)
	if err != nil {
		return nil, err
	}
	m.distribution = system["PRETTY_NAME"]
	m.notes, err = os.ReadFile(filepath.Join(root, "sys/kernel/notes"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		err = nil // the module compares build-ids as well, when it is loaded
	}
	return m, err
}

// check holds the image against the build-id of the kernel, which is among its notes.
func (m *machine) check(f *Files) error {
	if m.notes == nil || f.Image == "" {
		return nil
	}
	k, err := kernel.Open(f.Image)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Image, err)
	}
	defer k.Close()
	id, _, err := k.BuildID()
	if err != nil {
		return fmt.Errorf("%s: %w", f.Image, err)
	}
	if !bytes.Contains(m.notes, id) {
		return fmt.Errorf("%s has the build-id %x, and the kernel that runs has another: it is another build of %s", f.Image, id, m.release)
	}
	return nil
}
