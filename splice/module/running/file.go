package running

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/internal/signature"
)

// maxFile bounds the file of a module, in bytes. The kernel's own bound is INT_MAX.
const maxFile = 256 << 20

// A File is a livepatch module as a file: one of package module, or one that others made.
type File struct {
	Name    string         // of the module
	Magic   string         // vermagic: of which kernels it may be loaded into
	Depends []string       // names of the modules that have to be loaded before
	Signed  bool           // a signature is behind it
	Module  *module.Module // what package module reads of it; nil where others made it

	image []byte
}

// Open reads a file, see [ReadFile].
func Open(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := ReadFile(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// ReadFile reads any livepatch module, and updates of package module for kernels without livepatch. The error wraps [module.ErrNotModule] when it is none,
// or names none, and is an *elfobj.FormatError when it is no ELF file for x86-64.
func ReadFile(r io.Reader) (*File, error) {
	if r == nil {
		return nil, errors.New("read livepatch: nothing is given")
	}
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read livepatch: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("read livepatch: %w: more than %d bytes", module.ErrNotModule, maxFile)
	}
	f := &File{image: b, Depends: []string{}, Signed: signature.IsSigned(b)}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("read livepatch: %w", err)
	}
	return f, nil
}

// FileOf returns a module as a file.
func FileOf(m *module.Module) *File {
	if m == nil {
		m = new(module.Module)
	}
	return &File{Name: m.Name, Depends: []string{}, Signed: m.Signed, Module: m, image: m.Bytes()}
}

// Bytes returns what the file has. The slice is shared and must not be changed.
func (f *File) Bytes() []byte { return f.image }

// ID returns the digest of a module of package module, "" of others.
func (f *File) ID() string {
	if f.Module == nil {
		return ""
	}
	return f.Module.ID
}

// read takes what .modinfo says (Documentation/kbuild/modules.rst).
func (f *File) read() error {
	obj, err := elfobj.Parse(f.image)
	if err != nil {
		return err
	}
	livepatch := false
	for s := range obj.SectionsNamed(kerneltab.Modinfo) {
		info, err := s.Data()
		if err != nil {
			return err
		}
		for line := range bytes.SplitSeq(info, []byte{0}) {
			key, value, _ := strings.Cut(string(line), "=")
			switch key {
			case "name":
				f.Name = value
			case "vermagic":
				f.Magic = value
			case "depends":
				f.Depends = strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
			case "livepatch":
				livepatch = true
			}
		}
	}
	if m, err := module.Read(bytes.NewReader(f.image)); err == nil {
		f.Module = m
	}
	switch {
	case !isName(f.Name):
		return fmt.Errorf("%w: its name is %.80q", module.ErrNotModule, f.Name)
	case !livepatch && !f.plain():
		return fmt.Errorf("%w that livepatch knows: its %s has no livepatch=Y", module.ErrNotModule, kerneltab.Modinfo)
	}
	return nil
}

// isName reports whether the kernel can have a module of a name: it is one part of paths below
// /sys (MODULE_NAME_LEN of include/linux/module.h).
func isName(s string) bool {
	ok := s != "" && len(s) < maxName && s != "." && s != ".."
	for _, c := range s {
		ok = ok && c > ' ' && c < 0x7f && c != '/'
	}
	return ok
}

const maxName = 56
