package image

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// kernelMarks are run addresses of the symbols that the linker script of the
// kernel defines (arch/x86/kernel/vmlinux.lds.S).
type kernelMarks map[string]uint64

// markNames are the symbols that are looked for.
var markNames = map[string]bool{
	kerneltab.ImageStart: true, kerneltab.ImageEnd: true,
	kerneltab.TextStart: true, kerneltab.TextEnd: true, kerneltab.DataStart: true,
	kerneltab.RodataStart: true, kerneltab.RodataEnd: true,
	kerneltab.ROAfterInitStart: true, kerneltab.ROAfterInitEnd: true,
	kerneltab.InitStart: true, kerneltab.InitEnd: true,
	kerneltab.PerCPUStart: true, kerneltab.PerCPUEnd: true,
	kerneltab.NotesStart: true, kerneltab.NotesEnd: true,
	kerneltab.ScratchStart: true, kerneltab.ScratchEnd: true,
}

// optionalMarks may be missing: a kernel for one processor has no per-CPU area,
// one without build-id no notes.
var optionalMarks = map[string]bool{
	kerneltab.PerCPUStart: true, kerneltab.PerCPUEnd: true,
	kerneltab.NotesStart: true, kerneltab.NotesEnd: true,
	kerneltab.ROAfterInitStart: true, kerneltab.ROAfterInitEnd: true,
	kerneltab.ScratchStart: true, kerneltab.ScratchEnd: true,
}

// complete returns an error when a symbol is missing.
func (m kernelMarks) complete() error {
	for _, name := range slices.Sorted(maps.Keys(markNames)) {
		if _, ok := m[name]; !ok && !optionalMarks[name] {
			return fmt.Errorf("there is no symbol %s: not the symbols of a kernel, or CONFIG_KALLSYMS_ALL is not set", name)
		}
	}
	return nil
}

// kernelAreas has a row for each stretch of a kernel that has started, by
// address. What lies between them was filler and is free memory now.
var kernelAreas = [...]struct {
	from, to string
	region   Region
}{
	{kerneltab.ImageStart, kerneltab.TextEnd, Region{Read: true, Exec: true, Volatile: true}}, // the kernel rewrites it
	{kerneltab.RodataStart, kerneltab.ROAfterInitStart, Region{Read: true}},
	{kerneltab.ROAfterInitStart, kerneltab.ROAfterInitEnd, Region{Read: true, Volatile: true}},
	{kerneltab.ROAfterInitEnd, kerneltab.RodataEnd, Region{Read: true}},
	{kerneltab.DataStart, kerneltab.InitStart, Region{Read: true, Write: true, Volatile: true}},
	// Freed after boot: there may be code or data with an address here, and
	// something else now.
	{kerneltab.InitStart, kerneltab.InitEnd, Region{Volatile: true, Freed: true}},
	{kerneltab.InitEnd, kerneltab.ImageEnd, Region{Read: true, Write: true, Volatile: true}},
	// Room behind the kernel that it only uses before it is mapped as a whole.
	{kerneltab.ScratchStart, kerneltab.ScratchEnd, Region{Volatile: true, Freed: true}},
	// Offsets in the area of each processor, which is elsewhere.
	{kerneltab.PerCPUStart, kerneltab.PerCPUEnd, Region{Write: true, Volatile: true}},
}

// regions returns the regions of the kernel, for module 0.
func (m kernelMarks) regions() ([]Region, error) {
	if m[kerneltab.ROAfterInitStart] == 0 { // nothing of that kind
		m[kerneltab.ROAfterInitStart], m[kerneltab.ROAfterInitEnd] = m[kerneltab.RodataEnd], m[kerneltab.RodataEnd]
	}
	var out []Region
	for _, a := range kernelAreas {
		from, ok := m[a.from]
		to, ok2 := m[a.to]
		if !ok || !ok2 || from == to {
			continue
		}
		if a.from == kerneltab.PerCPUStart && from >= m[kerneltab.ImageStart] {
			continue // since 6.15: addresses like any other, of what is copied to each processor
		}
		if from > to {
			return nil, fmt.Errorf("%s at %#x is behind %s at %#x", a.from, from, a.to, to)
		}
		r := a.region
		r.Start, r.End = from, to
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Region) int { return cmp.Compare(a.Start, b.Start) })
	return out, nil
}
