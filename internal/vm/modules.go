package vm

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// Module returns the content of a module of the kernel, decompressed, with its
// signature. '-' and '_' in the name are the same, as for modprobe. A name that
// is not found is an [fs.ErrNotExist].
func (k *Kernel) Module(name string) ([]byte, error) {
	path, err := k.ModulePath(name)
	if err != nil {
		return nil, err
	}
	return readModule(path)
}

// Modules returns the names of all modules, sorted, with '_' for '-'.
func (k *Kernel) Modules() ([]string, error) {
	var names []string
	err := k.walkModules(func(name, _ string) bool {
		names = append(names, name)
		return true
	})
	slices.Sort(names)
	return names, err
}

// ModulePath returns the path of a module, which may be compressed; otherwise it
// is like [Kernel.Module].
func (k *Kernel) ModulePath(name string) (path string, err error) {
	want := strings.ReplaceAll(name, "-", "_")
	err = k.walkModules(func(name, p string) bool {
		if name == want {
			path = p
		}
		return path == ""
	})
	if err == nil && path == "" {
		err = fmt.Errorf("module %s of %s: %w", name, k.Release, fs.ErrNotExist)
	}
	return path, err
}

// walkModules calls f with the name and the path of each module, until f returns
// false.
func (k *Kernel) walkModules(f func(name, path string) bool) error {
	return filepath.WalkDir(k.ModuleDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, rest, ok := strings.Cut(d.Name(), ".ko")
		if _, known := decompressors[rest]; !ok || !known {
			return nil
		}
		if !f(strings.ReplaceAll(name, "-", "_"), path) {
			return filepath.SkipAll
		}
		return nil
	})
}

// decompressors maps what follows ".ko" in a file's name to the way to read it.
var decompressors = map[string]func(io.Reader) (io.Reader, error){
	"":     func(r io.Reader) (io.Reader, error) { return r, nil },
	".xz":  func(r io.Reader) (io.Reader, error) { return xz.NewReader(r, xz.DefaultDictMax) },
	".zst": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
}

func readModule(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, ext, _ := strings.Cut(filepath.Base(path), ".ko")
	r, err := decompressors[ext](bytes.NewReader(b))
	if err == nil {
		b, err = io.ReadAll(r)
	}
	if err != nil {
		return nil, fmt.Errorf("decompress %s: %w", path, err)
	}
	return b, nil
}

// loaded is a module that was read in order to be loaded.
type loaded struct {
	name  string
	image []byte
}

// withDependencies returns the modules and what they depend on, in the order in
// which they can be loaded. Modules that are part of the kernel's image are left
// out.
func (k *Kernel) withDependencies(names ...string) ([]loaded, error) {
	builtin, err := k.builtin()
	if err != nil {
		return nil, err
	}
	var list []loaded
	seen := map[string]bool{}
	var visit func(name string) error
	visit = func(name string) error {
		name = strings.ReplaceAll(name, "-", "_")
		if seen[name] || builtin[name] {
			return nil
		}
		seen[name] = true
		image, err := k.Module(name)
		if err != nil {
			return err
		}
		info, err := ModInfo(image)
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		for dep := range strings.SplitSeq(info["depends"], ",") {
			if dep == "" {
				continue
			}
			if err := visit(dep); err != nil {
				return fmt.Errorf("needed by %s: %w", name, err)
			}
		}
		list = append(list, loaded{name, image})
		return nil
	}
	for _, name := range names {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (k *Kernel) builtin() (map[string]bool, error) {
	b, err := os.ReadFile(filepath.Join(k.ModuleDir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for line := range strings.FieldsSeq(string(b)) {
		name, _, _ := strings.Cut(filepath.Base(line), ".ko")
		set[strings.ReplaceAll(name, "-", "_")] = true
	}
	return set, nil
}

// ModInfo returns the key=value pairs of a module's .modinfo. Of a key that
// occurs more than once, such as alias, the last value remains.
func ModInfo(image []byte) (map[string]string, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, err
	}
	s := f.Section(kerneltab.Modinfo)
	if s == nil {
		return nil, fmt.Errorf("no section .modinfo")
	}
	b, err := s.Data()
	if err != nil {
		return nil, err
	}
	info := map[string]string{}
	for pair := range strings.SplitSeq(string(b), "\x00") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			info[key] = value
		}
	}
	return info, nil
}

// signatureMagic ends a file that carries a signature: linux/module_signature.h.
const signatureMagic = "~Module signature appended~\n"

// Unsigned returns the module without the signature that was appended to it, or
// image itself when there is none. The twelve bytes before the mark end with the
// signature's size, big-endian.
func Unsigned(image []byte) []byte {
	b, ok := bytes.CutSuffix(image, []byte(signatureMagic))
	if !ok || len(b) < 12 {
		return image
	}
	var size int
	for _, c := range b[len(b)-4:] {
		size = size<<8 | int(c)
	}
	if size > len(b)-12 {
		return image
	}
	return b[:len(b)-12-size]
}
