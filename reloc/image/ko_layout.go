package image

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

const (
	modulePage = 4096
	// moduleSpace is the size of the area for modules: MODULES_LEN of
	// arch/x86/include/asm/pgtable_64_types.h is less.
	moduleSpace = 1 << 30
	// defaultPerCPU is where a module's per-CPU variables lie when nothing is
	// known of the kernel: behind those of any kernel seen.
	defaultPerCPU = 0x100000
)

// moduleSection is a section that has memory, at its run address.
type moduleSection struct {
	name   string
	index  elfobj.SectionIndex
	addr   uint64
	size   uint64
	align  uint64
	data   []byte // nil when all zeros
	percpu bool   // addr is an offset in each processor's area
	init   bool   // freed once the module is loaded
	gone   bool   // it has been, or nothing tells where it is
	kind   int    // into sectionKinds
}

// sectionKinds has the groups that the loader lays sections out in, in its
// order: the first row whose flags a section has takes it. Rows are masks[] of
// layout_sections (6.1) and __layout_sections (6.12) in kernel/module/main.c.
var sectionKinds = [...]struct {
	has, not elf.SectionFlag
	roAfter  bool // that become read-only when the module is initialised
	region   Region
}{
	{has: elf.SHF_ALLOC | elf.SHF_EXECINSTR, region: Region{Read: true, Exec: true}},
	{has: elf.SHF_ALLOC, not: elf.SHF_WRITE, region: Region{Read: true}},
	// It was written while the module initialised itself, so that it counts
	// as writable: its variables are variables.
	{has: elf.SHF_ALLOC, roAfter: true, region: Region{Read: true, Write: true}},
	{has: elf.SHF_ALLOC | elf.SHF_WRITE, region: Region{Read: true, Write: true}},
}

// kindOf returns the group of a section. By its name the loader tells what becomes
// read-only (module_mark_ro_after_init of kernel/module/main.c, 6.12), and what it uses
// and drops (setup_load_info and rewrite_section_headers).
func kindOf(s *elfobj.Section) int {
	for i := range sectionKinds {
		k := &sectionKinds[i]
		if s.Flags&k.has == k.has && s.Flags&k.not == 0 && (!k.roAfter || kerneltab.MemoryOf(s.Name) == kerneltab.MemoryAfterInit) {
			return i
		}
	}
	return len(sectionKinds) - 1
}

// A moduleLayout is the memory of a module. It is immutable once it is linked.
type moduleLayout struct {
	byIndex map[elfobj.SectionIndex]*moduleSection
	list    []*moduleSection // by address, without per-CPU ones and empty ones
	percpu  []*moduleSection // that are not empty
}

// layoutModule gives every section that the loader keeps its address and its
// bytes.
func layoutModule(f *elfobj.File, opt ModuleOptions) (*moduleLayout, error) {
	if f.Type != elf.ET_REL {
		return nil, fmt.Errorf("%v is no module of the kernel, but may be an image of its own: %w", f.Type, errors.ErrUnsupported)
	}
	if err := hasCode(f); err != nil {
		return nil, err
	}
	l := &moduleLayout{byIndex: make(map[elfobj.SectionIndex]*moduleSection)}
	all := make([]moduleSection, 0, len(f.Sections))
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Type == elf.SHT_NULL || kerneltab.MemoryOf(s.Name) == kerneltab.MemoryUnloaded {
			continue
		}
		if s.Size > moduleSpace {
			return nil, fmt.Errorf("section %s: %#x bytes do not fit in the area for modules", s.Name, s.Size)
		}
		if s.Addralign > modulePage || bits.OnesCount64(s.Addralign) > 1 {
			return nil, fmt.Errorf("section %s: aligned to %#x: %w", s.Name, s.Addralign, errors.ErrUnsupported)
		}
		m := moduleSection{name: s.Name, index: s.Index, size: s.Size, align: s.Addralign, init: strings.HasPrefix(s.Name, kerneltab.Init), percpu: s.Name == kerneltab.PerCPU, kind: kindOf(s)}
		if s.Type != elf.SHT_NOBITS {
			b, err := s.Data()
			if err != nil {
				return nil, err
			}
			m.data = slices.Clone(b) // relocations are going to be applied
		}
		all = append(all, m)
	}
	for i := range all {
		l.byIndex[all[i].index] = &all[i]
	}
	place := l.placeInOrder
	if opt.Sections != nil {
		place = placeAt
	}
	if err := place(all, opt); err != nil {
		return nil, err
	}
	return l, l.index(all)
}

// placeInOrder lays sections out as the loader does, one group after the other,
// and what is freed after initialisation last.
func (l *moduleLayout) placeInOrder(all []moduleSection, opt ModuleOptions) error {
	base := cmp.Or(opt.Base, DefaultModuleBase)
	if base%modulePage != 0 {
		return fmt.Errorf("base %#x is not aligned to pages", base)
	}
	at := base
	for _, init := range []bool{false, true} {
		for kind := range sectionKinds {
			at = alignUp(at, modulePage) // groups differ in what may be done with them
			for i := range all {
				s := &all[i]
				if s.init != init || s.kind != kind || s.percpu {
					continue
				}
				s.addr = alignUp(at, s.align)
				if at = s.addr + s.size; at < base || at-base > moduleSpace {
					return fmt.Errorf("section %s: the sections do not fit in the area for modules", s.name)
				}
			}
		}
	}
	return placePerCPU(all, opt)
}

// placeAt puts sections where the caller says that they are.
func placeAt(all []moduleSection, opt ModuleOptions) error {
	for i := range all {
		s := &all[i]
		addr, ok := opt.Sections[s.name]
		switch {
		case s.percpu:
			continue
		case s.init, !ok && s.size == 0:
			s.gone = true
		case !ok:
			return fmt.Errorf("section %s has no address among those given", s.name)
		case addr+s.size < addr:
			return fmt.Errorf("section %s at %#x, %#x bytes: runs over the end of the address space", s.name, addr, s.size)
		}
		s.addr = addr
	}
	return placePerCPU(all, opt)
}

func placePerCPU(all []moduleSection, opt ModuleOptions) error {
	at := opt.PerCPU
	if v, ok := opt.Sections[kerneltab.PerCPU]; ok && at == 0 {
		at = v
	}
	if at == 0 && opt.Kernel != nil {
		for _, s := range opt.Kernel.Lookup(kerneltab.PerCPUEnd) {
			at = s.Addr
		}
	}
	at = cmp.Or(at, defaultPerCPU)
	for i := range all {
		if s := &all[i]; s.percpu {
			s.addr = alignUp(at, s.align)
			at = s.addr + s.size
		}
	}
	return nil
}

func alignUp(v, align uint64) uint64 {
	if align < 2 {
		return v
	}
	return (v + align - 1) &^ (align - 1)
}

// index sorts the sections that can be read, and refuses those that overlap.
func (l *moduleLayout) index(all []moduleSection) error {
	for i := range all {
		switch s := &all[i]; {
		case s.gone || s.size == 0:
		case s.percpu:
			l.percpu = append(l.percpu, s)
		default:
			l.list = append(l.list, s)
		}
	}
	slices.SortFunc(l.list, func(a, b *moduleSection) int { return cmp.Compare(a.addr, b.addr) })
	for i := 1; i < len(l.list); i++ {
		if a, b := l.list[i-1], l.list[i]; a.addr+a.size > b.addr {
			return fmt.Errorf("section %s at %#x, %#x bytes: overlaps %s at %#x", a.name, a.addr, a.size, b.name, b.addr)
		}
	}
	return nil
}

// regions returns one region for each run of sections of one kind, gaps for
// alignment included, and one for each of zeros.
func (l *moduleLayout) regions(module int) []Region {
	var out []Region
	var last *moduleSection
	for _, s := range l.list {
		r := sectionKinds[s.kind].region
		r.Start, r.End, r.Module, r.zero = s.addr, s.addr+s.size, module, s.data == nil
		if last != nil && last.kind == s.kind && last.init == s.init && (last.data == nil) == r.zero && r.Start-out[len(out)-1].End < modulePage {
			out[len(out)-1].End = r.End
		} else {
			out = append(out, r)
		}
		last = s
	}
	return out
}

// percpuRegions are those of the variables that each processor has its own of: an address is
// an offset, at which there is nothing to read.
func (l *moduleLayout) percpuRegions(module int) []Region {
	var out []Region
	for _, s := range l.percpu {
		r := memoryRegions[kerneltab.MemoryPerCPU]
		r.Start, r.End, r.Module, r.Read = s.addr, s.addr+s.size, module, false
		out = append(out, r)
	}
	return out
}

// ReadAddr implements [Memory]. What lies between sections that are less than a
// page apart is zeros: filler that the loader left.
func (l *moduleLayout) ReadAddr(p []byte, addr uint64) error {
	i, _ := slices.BinarySearchFunc(l.list, addr, func(s *moduleSection, a uint64) int {
		if s.addr+s.size <= a {
			return -1
		}
		return 1
	})
	for done := uint64(0); done < uint64(len(p)); i++ {
		at, rest := addr+done, p[done:]
		if i >= len(l.list) {
			return &AddrError{Addr: at, Len: len(rest), Err: ErrUnmapped}
		}
		s := l.list[i]
		if gap := s.addr - at; s.addr > at {
			if i == 0 || gap >= modulePage || l.list[i-1].addr+l.list[i-1].size > at {
				return &AddrError{Addr: at, Len: len(rest), Err: ErrUnmapped}
			}
			n := min(gap, uint64(len(rest)))
			clear(rest[:n])
			done, rest = done+n, rest[n:]
			if len(rest) == 0 {
				return nil
			}
			at = s.addr
		}
		n := min(uint64(len(rest)), s.addr+s.size-at)
		if s.data == nil {
			clear(rest[:n])
		} else {
			copy(rest[:n], s.data[at-s.addr:])
		}
		done += n
	}
	return nil
}
