package image

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// kernelMarks are run addresses of the symbols that the linker script of the
// kernel defines (arch/x86/kernel/vmlinux.lds.S).
type kernelMarks map[string]uint64

// markNames are the symbols that are looked for.
var markNames = map[string]bool{
	"_text": true, "_stext": true, "_etext": true, "_end": true, "_sdata": true,
	"__start_rodata": true, "__end_rodata": true,
	"__start_ro_after_init": true, "__end_ro_after_init": true,
	"__init_begin": true, "__init_end": true,
	"__per_cpu_start": true, "__per_cpu_end": true,
	"__start_notes": true, "__stop_notes": true,
	"__init_scratch_begin": true, "__init_scratch_end": true,
}

// optionalMarks may be missing: a kernel for one processor has no per-CPU area,
// one without build-id no notes.
var optionalMarks = map[string]bool{
	"__per_cpu_start": true, "__per_cpu_end": true, "__start_notes": true, "__stop_notes": true,
	"__start_ro_after_init": true, "__end_ro_after_init": true,
	"__init_scratch_begin": true, "__init_scratch_end": true,
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
	{"_text", "_etext", Region{Read: true, Exec: true, Volatile: true}}, // the kernel rewrites it
	{"__start_rodata", "__start_ro_after_init", Region{Read: true}},
	{"__start_ro_after_init", "__end_ro_after_init", Region{Read: true, Volatile: true}},
	{"__end_ro_after_init", "__end_rodata", Region{Read: true}},
	{"_sdata", "__init_begin", Region{Read: true, Write: true, Volatile: true}},
	// Freed after boot: there may be code or data with an address here, and
	// something else now.
	{"__init_begin", "__init_end", Region{Volatile: true, Freed: true}},
	{"__init_end", "_end", Region{Read: true, Write: true, Volatile: true}},
	// Room behind the kernel that it only uses before it is mapped as a whole.
	{"__init_scratch_begin", "__init_scratch_end", Region{Volatile: true, Freed: true}},
	// Offsets in the area of each processor, which is elsewhere.
	{"__per_cpu_start", "__per_cpu_end", Region{Write: true, Volatile: true}},
}

// regions returns the regions of the kernel, for module 0.
func (m kernelMarks) regions() ([]Region, error) {
	if m["__start_ro_after_init"] == 0 { // nothing of that kind
		m["__start_ro_after_init"], m["__end_ro_after_init"] = m["__end_rodata"], m["__end_rodata"]
	}
	var out []Region
	for _, a := range kernelAreas {
		from, ok := m[a.from]
		to, ok2 := m[a.to]
		if !ok || !ok2 || from == to {
			continue
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
