package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckModules tells a folder of modules from others.
func TestCheckModules(t *testing.T) {
	dir := t.TempDir()
	if err := (&Kernel{Modules: dir}).checkModules(); err == nil || !strings.Contains(err.Error(), "there are none in") {
		t.Error(err)
	}
	if err := (&Kernel{Modules: dir + "/missing"}).checkModules(); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(dir+"/modules.order", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", dir} {
		if err := (&Kernel{Modules: name}).checkModules(); err != nil {
			t.Error(err)
		}
	}
}

// TestKernelCheck opens kernels of which something is missing, or can't be followed: each
// says what, before anything is done.
func TestKernelCheck(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	vmlinuz := filepath.Join(dir, "vmlinuz")
	if err := os.WriteFile(vmlinuz, []byte("MZ"), 0o644); err != nil {
		t.Fatal(err)
	}
	whole := Kernel{Release: "6.1", Source: dir, Config: file, Image: file}
	for _, c := range []struct {
		name, want string
		is         error
		change     func(*Kernel)
	}{
		{"source", "the source of the kernel 6.1 is not given", nil, func(k *Kernel) { k.Source = "" }},
		{"configuration", "configuration of the kernel: ", os.ErrNotExist, func(k *Kernel) { k.Config = file + "x" }},
		{"image", "the image (vmlinux) of the kernel 6.1 is not given", nil, func(k *Kernel) { k.Image = "" }},
		{"no module", "file of the module", os.ErrNotExist, func(k *Kernel) { k.OutOfTree = []OutOfTree{{"a.ko", dir}} }},
		{"no source of it", "source of the module", os.ErrNotExist, func(k *Kernel) { k.OutOfTree = []OutOfTree{{file, dir + "/none"}} }},
		{"two folders", "are of different folders", errors.ErrUnsupported, func(k *Kernel) { k.OutOfTree = []OutOfTree{{file, dir}, {file, dir + "/.."}} }},
		{"symvers alone", "which is not given", nil, func(k *Kernel) { k.ExtraSymvers = []string{file} }},
		{"no image", "open kernel", nil, func(*Kernel) {}},
		{"what boots", "give its vmlinux", nil, func(k *Kernel) { k.Image = vmlinuz }},
	} {
		k := whole
		c.change(&k)
		_, err := Open(context.Background(), k, Options{Cache: filepath.Join(dir, "cache")})
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
