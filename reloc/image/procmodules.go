package image

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// procModule is a line of /proc/modules.
type procModule struct {
	name string
	size uint64 // bytes of all its parts together
	base uint64 // of its first part, or in 6.12 of its code
}

// readProcModules reads the modules that are loaded; a kernel without support for
// modules has none.
func readProcModules(root fs.FS) ([]procModule, error) {
	f, err := root.Open("proc/modules")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []procModule
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20) // a line names all modules that depend on it
	for n := 1; in.Scan(); n++ {
		p, live, err := parseProcModule(in.Text())
		if err != nil {
			return nil, fmt.Errorf("/proc/modules, line %d: %w", n, err)
		}
		if live {
			out = append(out, p)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("/proc/modules: %w", err)
	}
	return out, nil
}

// parseProcModule reads a line like
//
//	dummy 16384 0 - Live 0xffffffffc0201000 (E)
//
// of m_show in kernel/module/procfs.c (Linux 6.1).
func parseProcModule(line string) (p procModule, live bool, err error) {
	f := strings.Fields(line)
	if len(f) < 6 {
		return p, false, fmt.Errorf("%d fields, want name, size, references, users, state and address", len(f))
	}
	if !fs.ValidPath(f[0]) || strings.Contains(f[0], "/") {
		return p, false, fmt.Errorf("%.40q is no name of a module", f[0])
	}
	p.name = f[0]
	if p.size, err = strconv.ParseUint(f[1], 10, 64); err != nil {
		return p, false, fmt.Errorf("size of %s: %w", p.name, err)
	}
	if p.base, err = strconv.ParseUint(trimHex(f[5]), 16, 64); err != nil {
		return p, false, fmt.Errorf("address of %s: %w", p.name, err)
	}
	if p.base == 0 {
		return p, false, fmt.Errorf("%w: that of %s is 0; it needs CAP_SYSLOG, and kernel.kptr_restrict below 2", ErrHidden, p.name)
	}
	return p, f[4] == "Live", nil
}

// readSections reads /sys/module/NAME/sections.
func readSections(root fs.FS, name string) (map[string]uint64, error) {
	dir := "sys/module/" + name + "/sections"
	entries, err := fs.ReadDir(root, dir)
	if err != nil {
		return nil, err
	}
	out := make(map[string]uint64, len(entries))
	for _, e := range entries {
		b, err := fs.ReadFile(root, dir+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		if out[e.Name()], err = strconv.ParseUint(trimHex(string(b)), 16, 64); err != nil {
			return nil, fmt.Errorf("/%s/%s: %w", dir, e.Name(), err)
		}
	}
	return out, nil
}

// memoryRegions says what may be done with each kind of memory of a module that is
// loaded. Where the name of a section does not tell, and sysfs does not either, it
// is read-only.
var memoryRegions = [...]Region{
	kerneltab.MemoryUnknown:   {Read: true},
	kerneltab.MemoryText:      {Read: true, Exec: true, Volatile: true},
	kerneltab.MemoryReadOnly:  {Read: true},
	kerneltab.MemoryAfterInit: {Read: true, Volatile: true},
	kerneltab.MemoryData:      {Read: true, Write: true, Volatile: true},
	kerneltab.MemoryPerCPU:    {Read: true, Write: true, Volatile: true},
	kerneltab.MemoryFreed:     {},
	kerneltab.MemoryUnloaded:  {Read: true},
}

// sectionRegion returns what may be done with a section. skip is true for one that is
// freed, or not at its address any more.
func sectionRegion(name string) (r Region, skip bool) {
	memory := kerneltab.MemoryUnknown
	if row := kerneltab.Of(name); row != nil {
		memory = row.Module.Memory
	}
	return memoryRegions[memory], memory == kerneltab.MemoryFreed
}

// regions returns the regions of a module that is loaded. Where its sections
// begin is known; each ends where the next one of its part begins. symbols are the
// addresses of the module's symbols, ascending.
//
// Up to 6.3 all parts are one piece of memory. Since then each has its own, of
// whole pages, and ends with the page of its last symbol. Only constants may have
// something without symbols at their end (tables, strings): they get what the
// others leave of the module's size.
func (p *procModule) regions(sections map[string]uint64, symbols []uint64, module int) []Region {
	list := sectionStarts(sections, module)
	whole := p.base + p.size
	inOne := len(list) > 0 && list[0].Start >= p.base && list[len(list)-1].Start < whole
	left := p.size
	var constants *Region // the last of them
	part := uint64(0)     // start of the part that a section belongs to
	for i := range list {
		r := &list[i]
		limit := uint64(kernelEnd)
		if i+1 < len(list) {
			limit = list[i+1].Start
		}
		if i == 0 || !sameKind(list[i-1], *r) {
			part = r.Start
		}
		switch {
		case inOne && i+1 == len(list):
			r.End = whole
		case inOne, i+1 < len(list) && sameKind(*r, list[i+1]):
			r.End = limit
		default:
			r.End = min(partEnd(r.Start, limit, symbols), limit)
			if !r.Volatile {
				constants = r
			}
			left -= min(left, alignUp(r.End, modulePage)-part)
		}
	}
	if constants != nil && left < maxModule {
		constants.End = min(constants.End+left&^(modulePage-1), limitOf(list, constants))
	}
	list = slices.DeleteFunc(list, func(r Region) bool { return r.Start >= r.End })
	return mergeRegions(list)
}

// sectionStarts returns regions without ends, by address.
func sectionStarts(sections map[string]uint64, module int) []Region {
	var out []Region
	for name, addr := range sections {
		r, skip := sectionRegion(name)
		if skip || addr < modulesStart || addr >= kernelEnd {
			continue
		}
		r.Start, r.Module = addr, module
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Region) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(rank(a), rank(b)))
	})
	return out
}

func sameKind(a, b Region) bool {
	return a.Exec == b.Exec && a.Write == b.Write && a.Volatile == b.Volatile
}

// limitOf returns where the region behind r begins.
func limitOf(list []Region, r *Region) uint64 {
	for i := range list {
		if list[i].Start > r.Start {
			return list[i].Start
		}
	}
	return kernelEnd
}

// rank orders sections at one address, of which all but the last are empty.
func rank(r Region) int {
	n := 0
	if r.Write {
		n++
	}
	if r.Exec {
		n += 2
	}
	return n
}

// partEnd returns the end of the page of the last symbol in front of limit.
func partEnd(start, limit uint64, symbols []uint64) uint64 {
	last := start
	if i, _ := slices.BinarySearch(symbols, limit); i > 0 {
		last = max(last, symbols[i-1])
	}
	return alignUp(last+1, modulePage)
}

// mergeRegions joins regions that follow each other and differ in nothing else.
func mergeRegions(list []Region) []Region {
	var out []Region
	for _, r := range list {
		if n := len(out); n > 0 && out[n-1].End == r.Start {
			last := out[n-1]
			last.Start, last.End = r.Start, r.End
			if last == r {
				out[n-1].End = r.End
				continue
			}
		}
		out = append(out, r)
	}
	return out
}
