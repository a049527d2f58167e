package image

import (
	"cmp"
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// KernelStart is where x86-64 maps the kernel's image at the lowest (__START_KERNEL_map of
// arch/x86/include/asm/page_64_types.h, Linux 6.1; Documentation/arch/x86/x86_64/mm.rst).
const KernelStart = 0xffffffff80000000

// kernelEnd is behind the kernel's modules (MODULES_END of
// arch/x86/include/asm/pgtable_64_types.h, Linux 6.1). Processes have the vsyscall page above.
const kernelEnd = 0xffffffffff000000

// isKernel reports whether regions are those of a kernel.
func isKernel(regions []Region) bool {
	return slices.ContainsFunc(regions, func(r Region) bool { return r.Exec && r.Start >= KernelStart && r.End <= kernelEnd })
}

// bySections cuts the regions of a kernel's segments at its sections: segments
// mix code with constants, and what is executable or writable is for the kernel
// to say when it has started: Linux 7.3 has the code of its start in a segment of
// data, and calls .data code too. What is between sections is padding.
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
				part.Start, part.End, part.Exec, part.Write = at, end, exec && (r.Exec || !write), r.Write && write
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

// MayBound reports whether an address where nothing is mapped may be that of a
// symbol of a linker script: the start or the end of something.
func (img *Image) MayBound(addr uint64) bool {
	regions := img.regions
	if !img.kernel || addr < regions[0].Start {
		return false
	}
	if addr >= KernelStart {
		return addr <= regions[len(regions)-1].End
	}
	r := img.RegionAt(addr - 1) // per-CPU variables
	return r != nil && r.End == addr
}
