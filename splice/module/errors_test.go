//go:build unix

package module_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

const (
	tinyObject  = "../../reloc/testdata/tiny.o"
	tinyProgram = "../../reloc/testdata/tiny.elf"
)

// badFiles makes a file of each kind that is not what is asked for.
func badFiles(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	object, err1 := os.ReadFile(tinyObject)
	program, err2 := os.ReadFile(tinyProgram)
	if err := errors.Join(err1, err2, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"object": tinyObject, "program": tinyProgram, "missing": filepath.Join(dir, "missing"), "pipe": filepath.Join(dir, "pipe"), "folder": dir}
	change := func(b []byte, off int, v ...byte) []byte {
		b = append([]byte(nil), b...)
		copy(b[off:], v)
		return b
	}
	for name, b := range map[string][]byte{
		"empty": {}, "text": []byte("no ELF file at all, but long enough to be taken for one, if nobody looks"),
		"cut object": object[:len(object)/2], "cut program": program[:100],
		"arm object": change(object, 18, 183, 0), "arm program": change(program, 18, 183, 0), "32-bit object": change(object, 4, 1),
		"damaged object": change(object, 58, 1, 0), "damaged program": change(program, 54, 1, 0),
	} {
		out[name] = filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(out[name], b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestErrorsHaveNames opens each kind of bad file with everything that opens files:
// an importer can name what is wrong.
func TestErrorsHaveNames(t *testing.T) {
	files := badFiles(t)
	open := map[string]func(path string) error{
		"elfdiff.Open":      func(p string) error { _, err := elfdiff.Open(p); return err },
		"reloc.Open":        func(p string) error { _, err := image.Open(p, image.ModuleOptions{}); return err },
		"reloc.OpenELF":     func(p string) error { _, err := image.OpenELF(p); return err },
		"reloc.OpenKernel":  func(p string) error { _, err := image.OpenKernel(p); return err },
		"reloc.OpenModule":  func(p string) error { _, err := image.OpenModule(p, image.ModuleOptions{}); return err },
		"module.OpenKernel": func(p string) error { _, err := module.OpenKernel(p); return err },
	}
	every := func(err error, files ...string) map[string]error {
		out := map[string]error{}
		for _, f := range files {
			out[f] = err
		}
		return out
	}
	common := []map[string]error{
		every(object.ErrNotELF, "empty", "text"), every(object.ErrMachine, "arm object", "arm program", "32-bit object"),
		every(object.ErrTruncated, "cut object", "cut program"), every(object.ErrDamaged, "cut object", "cut program", "damaged program", "damaged object"),
		every(object.ErrNotRegular, "pipe", "folder"), every(fs.ErrNotExist, "missing"),
	}
	own := map[string]map[string]error{
		"elfdiff.Open":      every(object.ErrNotRelocatable, "program"),
		"reloc.Open":        every(errors.ErrUnsupported, "object"),
		"reloc.OpenELF":     every(errors.ErrUnsupported, "object"),
		"reloc.OpenKernel":  every(image.ErrNotKernel, "object"),
		"reloc.OpenModule":  every(errors.ErrUnsupported, "program"),
		"module.OpenKernel": every(module.ErrNotKernel, "program"),
	}
	for name, f := range open {
		for _, list := range append(common, own[name]) {
			for file, want := range list {
				err := f(files[file])
				if !errors.Is(err, want) {
					t.Errorf("%s of %s: %v, which is not %v", name, file, err, want)
				}
				if err != nil && strings.Count(err.Error(), files[file]) != 1 {
					t.Errorf("%s of %s: the file is named once: %v", name, file, err)
				}
			}
		}
	}
}

// TestOtherErrorsHaveNames reads what is no ELF file.
func TestOtherErrorsHaveNames(t *testing.T) {
	if err := new(module.Kernel).UseSymvers(strings.NewReader("no\texports\n")); !errors.Is(err, module.ErrSymvers) {
		t.Error(err)
	}
	if _, err := splice.ReadUpdate(strings.NewReader(`{"format":0}`)); !errors.Is(err, splice.ErrUpdateFormat) {
		t.Error(err)
	}
	if _, err := splice.ReadUpdate(strings.NewReader("{")); !errors.Is(err, splice.ErrUpdateDamaged) {
		t.Error(err)
	}
}
