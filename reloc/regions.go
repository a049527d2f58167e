package reloc

import (
	"cmp"
	"debug/elf"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// Bounds of where x86-64 maps the kernel's image and its modules
// (__START_KERNEL_map and MODULES_END of arch/x86/include/asm, Linux 6.1;
// Documentation/arch/x86/x86_64/mm.rst). Processes have the vsyscall page above.
const (
	kernelStart = 0xffffffff80000000
	kernelEnd   = 0xffffffffff000000
)

// isKernel reports whether regions are those of a kernel.
func isKernel(regions []Region) bool {
	return slices.ContainsFunc(regions, func(r Region) bool { return r.Exec && r.Start >= kernelStart && r.End <= kernelEnd })
}

// bySections cuts the regions of a kernel's segments at its sections: segments
// mix code with constants, and what is executable or writable is for the kernel
// to say when it has started. What is between sections is padding.
func bySections(regions []Region, sections []*elfobj.Section) []Region {
	var list []*elfobj.Section
	for _, s := range sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Size > 0 {
			list = append(list, s)
		}
	}
	if len(list) == 0 || !isKernel(regions) {
		return regions
	}
	slices.SortStableFunc(list, func(a, b *elfobj.Section) int { return cmp.Compare(a.Addr, b.Addr) })
	var out []Region
	for _, r := range regions {
		at := r.Start
		cut := func(end uint64, exec, write bool) {
			if end = min(end, r.End); at < end {
				part := r
				part.Start, part.End, part.Exec, part.Write = at, end, r.Exec && exec, r.Write && write
				out = append(out, part)
				at = end
			}
		}
		for _, s := range list {
			end := s.Addr + s.Size
			if end <= at || s.Addr >= r.End || end < s.Addr {
				continue
			}
			cut(s.Addr, false, r.Write)
			cut(end, s.Flags&elf.SHF_EXECINSTR != 0, s.Flags&elf.SHF_WRITE != 0)
		}
		cut(r.End, false, r.Write)
	}
	return out
}

// hasSymbols reports whether all symbols of a module are known.
func (img *Image) hasSymbols(module int) bool {
	return module != NoModule && img.full[module]
}

// isFreed reports whether an address is in memory that a running kernel has
// freed since it started.
func (m *matcher) isFreed(addr uint64) bool {
	r := m.view.regionAt(addr)
	return r != nil && r.Freed
}

// startSections are those whose code a kernel frees once it has started
// (include/asm-generic/vmlinux.lds.h); x86 keeps .exit.text for as long.
var startSections = []string{".init.", ".exit.", ".meminit.", ".cpuinit."}

// wasFreed reports whether a running kernel has freed a function, by where run's
// symbols have it, or by its section. Of one that only starting needs, what is
// left of its name is another file's.
func (m *matcher) wasFreed(f *fn, places []place) bool {
	if !m.img.kernel || !m.img.running {
		return false
	}
	name := m.pre.File.Sections[f.atom.Section].Name
	starts := slices.ContainsFunc(startSections, func(p string) bool { return strings.HasPrefix(name, p) })
	freed := slices.ContainsFunc(places, func(p place) bool { return m.isFreed(p.addr) })
	switch {
	case starts && (freed || len(places) == 0):
		return true
	case len(places) == 0:
		return false
	}
	return len(f.cands) == 0 // none is left
}

// mayBound reports whether an address where nothing is mapped may be that of a
// symbol of a linker script: the start or the end of something.
func (m *matcher) mayBound(addr uint64) bool {
	regions := m.img.regions
	if !m.img.kernel || addr < regions[0].Start {
		return false
	}
	if addr >= kernelStart {
		return addr <= regions[len(regions)-1].End
	}
	r := m.view.regionAt(addr - 1) // per-CPU variables
	return r != nil && r.End == addr
}
