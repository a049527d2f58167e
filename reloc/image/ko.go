package image

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/decompress"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// DefaultModuleBase is where [OpenModule] lays out a module that was given no
// place: in the second half of the area for modules (MODULES_VADDR of
// arch/x86/include/asm/pgtable_64_types.h, Linux 6.1 and 6.12, plus 512 MiB),
// within reach of all of the kernel at its link addresses.
const DefaultModuleBase = 0xffffffffe0000000

// ModuleOptions says where a module of the kernel lies, and with what it was
// linked. The zero value lays it out at [DefaultModuleBase] on its own.
type ModuleOptions struct {
	// Base is the address of the module's first section, page aligned; 0
	// means DefaultModuleBase.
	Base uint64
	// Sections, when not nil, gives the addresses of all sections that have
	// memory, by name: the content of /sys/module/NAME/sections. Base is not
	// used then, and what was freed when the module had started is left out.
	Sections map[string]uint64
	// PerCPU is the offset of the module's per-CPU variables in each
	// processor's area; 0 means one behind those of Kernel.
	PerCPU uint64
	// Kernel and Modules are where undefined symbols are looked up by the
	// names that they export. What is not found there, or everything when
	// there is no Kernel, gets an address of its own that can't be read, and
	// a symbol of no module there.
	Kernel  *Image
	Modules []*Image
}

// OpenModule opens a module of the kernel as it is on disk (ET_REL; .ko, also
// .ko.xz, .ko.zst and .ko.gz) the way the loader would have it in memory just
// before it rewrites code: sections laid out in the loader's order
// (layout_sections of kernel/module/main.c, Linux 6.1), relocations applied.
//
// Sections .init* are there as well, unless Sections says where a running kernel
// has the module: it has freed them. Symbols
// keep the order of the module's symbol table in [Symbol.Index], which is what
// livepatch counts (see [Image.SymPos]).
//
// Errors about the file wrap errors.ErrUnsupported or one of those that package
// elfdiff has for files, and name the file.
func OpenModule(path string, opt ModuleOptions) (*Image, error) {
	f, closer, err := openModuleFile(path)
	if err != nil {
		return nil, nameError(err)
	}
	defer closer.Close()
	img, err := newModule(f, path, opt)
	if err != nil {
		return nil, nameError(withPath(path, err))
	}
	return img, nil
}

// maxModule bounds what a compressed module may unpack to. Modules without
// debug information have some megabytes at most.
const maxModule = 512 << 20

// openModuleFile opens an object, compressed or not. What is not compressed is
// read as far as it is used.
func openModuleFile(path string) (*elfobj.File, io.Closer, error) {
	fd, err := files.Open(path)
	if err != nil {
		return nil, nil, err
	}
	f, err := parseModuleFile(fd)
	if err != nil {
		fd.Close()
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, fd, nil
}

func parseModuleFile(fd *os.File) (*elfobj.File, error) {
	st, err := fd.Stat()
	if err != nil {
		return nil, err
	}
	var head [16]byte
	n, err := fd.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	format, packed := decompress.Detect(head[:n])
	if !packed {
		return elfobj.NewFile(fd, st.Size())
	}
	b, err := io.ReadAll(io.NewSectionReader(fd, 0, min(st.Size(), maxModule)))
	if err != nil {
		return nil, err
	}
	if b, err = format.Bytes(b, 0, decompress.Most(uint64(len(b)), maxModule)); err != nil {
		return nil, err
	}
	return elfobj.Parse(b)
}

// newModule lays out and links a module.
func newModule(f *elfobj.File, path string, opt ModuleOptions) (*Image, error) {
	layout, err := layoutModule(f, opt)
	if err != nil {
		return nil, err
	}
	l := &moduleLinker{file: f, layout: layout, kernel: opt.Kernel}
	for _, img := range append([]*Image{opt.Kernel}, opt.Modules...) {
		if img != nil {
			l.images = append(l.images, img)
		}
	}
	if err := l.link(); err != nil {
		return nil, err
	}
	mod := Module{Name: moduleName(f, path), Path: path, BuildID: objectBuildID(f)}
	parts := imageParts{mem: layout, regions: layout.regions(0), symbols: l.symbols(0)}
	for _, r := range parts.regions {
		if mod.Start == 0 || r.Start < mod.Start {
			mod.Start = r.Start
		}
		mod.End = max(mod.End, r.End)
	}
	parts.regions = append(parts.regions, layout.percpuRegions(0)...)
	if r, ok := l.placeholders.region(); ok {
		parts.regions = append(parts.regions, r)
	}
	parts.modules = []Module{mod}
	return newImage(parts)
}

// moduleName returns the name that the kernel knows a module by: that of
// .modinfo, or of the file with '_' for '-'.
func moduleName(f *elfobj.File, path string) string {
	for s := range f.SectionsNamed(kerneltab.Modinfo) {
		b, err := s.Data()
		if err != nil {
			continue
		}
		for pair := range strings.SplitSeq(string(b), "\x00") {
			if name, ok := strings.CutPrefix(pair, "name="); ok && name != "" {
				return name
			}
		}
	}
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return strings.ReplaceAll(name, "-", "_")
}

// objectBuildID returns the build-id of an object's note sections, nil when
// there is none.
func objectBuildID(f *elfobj.File) []byte {
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOTE || s.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		b, err := s.Data()
		if err != nil {
			continue
		}
		if id := readBuildID(Segments{{Data: b}}, 0, uint64(len(b))); id != nil {
			return id
		}
	}
	return nil
}
