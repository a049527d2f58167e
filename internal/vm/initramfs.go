package vm

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/cpio"
)

// portModules make up the way to the host; those that are part of the kernel's
// image are left out.
var portModules = []string{"virtio_pci", "virtio_console"}

// bootModules is the list that the guest's init reads.
const bootModules = "lib/gosplice/boot-modules"

// initramfs returns the archive with the guest's root.
func (o *Options) initramfs(ctx context.Context) ([]byte, error) {
	init, err := guestProgram(ctx, o.Cache)
	if err != nil {
		return nil, err
	}
	modules, err := o.Kernel.withDependencies(slices.Concat(portModules, o.Modules)...)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	r := root{w: cpio.NewWriter(&b), made: map[string]bool{".": true}}
	r.add(cpio.Entry{Name: "dev/console", Type: cpio.Char, Perm: 0o600, Major: 5, Minor: 1}, nil)
	r.add(cpio.Entry{Name: "init", Type: cpio.Regular, Perm: 0o755}, init)
	var list []byte
	for _, m := range modules {
		name := "lib/gosplice/" + m.name + ".ko"
		r.add(cpio.Entry{Name: name, Type: cpio.Regular, Perm: 0o644}, m.image)
		list = append(list, "/"+name+"\n"...)
	}
	r.add(cpio.Entry{Name: bootModules, Type: cpio.Regular, Perm: 0o644}, list)
	for _, name := range slices.Sorted(maps.Keys(o.Files)) {
		r.addFile(name, o.Files[name])
	}
	if r.err != nil {
		return nil, fmt.Errorf("guest's root: %w", r.err)
	}
	return b.Bytes(), r.w.Close()
}

// root fills an archive. Its first error sticks.
type root struct {
	w    *cpio.Writer
	made map[string]bool // folders
	err  error
}

func (r *root) add(e cpio.Entry, data []byte) {
	r.mkdir(path.Dir(e.Name))
	if r.err == nil {
		r.err = r.w.Add(e, data)
	}
}

func (r *root) mkdir(dir string) {
	if r.made[dir] {
		return
	}
	r.made[dir] = true
	r.add(cpio.Entry{Name: dir, Type: cpio.Dir, Perm: 0o755}, nil)
}

// addFile copies a file of the host with its permissions.
func (r *root) addFile(name, host string) {
	st, err := os.Stat(host)
	var b []byte
	if err == nil {
		b, err = os.ReadFile(host)
	}
	if err != nil {
		r.err = firstError(r.err, err)
		return
	}
	r.add(cpio.Entry{Name: strings.TrimPrefix(path.Clean("/"+name), "/"), Type: cpio.Regular, Perm: uint32(st.Mode() & fs.ModePerm)}, b)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
