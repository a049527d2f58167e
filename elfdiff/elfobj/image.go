package elfobj

import (
	"debug/elf"
	"fmt"
	"slices"
)

// ReadAddr reads memory as the program headers of type PT_LOAD lay it out:
// what an image has at the run address vaddr before anything is relocated.
// Bytes beyond the part that is in the file read as zeros (.bss). A read may
// cross from one segment into the next without a gap.
//
// It returns the number of bytes read, and an error if that is less than
// len(p). Relocatable objects have no run addresses. Of segments that overlap,
// the one that begins last counts.
func (f *File) ReadAddr(p []byte, vaddr uint64) (int, error) {
	loads, err := f.loads.get(f.sortLoads)
	if err != nil {
		return 0, err
	}
	n := 0
	for n < len(p) {
		at := vaddr + uint64(n)
		if at < vaddr {
			return n, fmt.Errorf("read %d bytes at %#x: address wraps around", len(p), vaddr)
		}
		k, err := f.readLoad(loads, p[n:], at)
		if err != nil {
			return n, err
		}
		n += k
	}
	return n, nil
}

func (f *File) sortLoads() ([]Prog, error) {
	var loads []Prog
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Memsz > 0 {
			loads = append(loads, p)
		}
	}
	slices.SortStableFunc(loads, func(a, b Prog) int {
		if a.Vaddr < b.Vaddr {
			return -1
		}
		if a.Vaddr > b.Vaddr {
			return 1
		}
		return 0
	})
	return loads, nil
}

// readLoad reads from the one segment that holds vaddr, at least one byte.
func (f *File) readLoad(loads []Prog, p []byte, vaddr uint64) (int, error) {
	i, _ := slices.BinarySearchFunc(loads, vaddr, func(l Prog, vaddr uint64) int {
		if l.Vaddr <= vaddr {
			return -1
		}
		return 1
	})
	if i == 0 || vaddr-loads[i-1].Vaddr >= loads[i-1].Memsz {
		return 0, fmt.Errorf("%saddress %#x is in no PT_LOAD segment", f.prefix(), vaddr)
	}
	l := loads[i-1]
	off := vaddr - l.Vaddr
	n := min(uint64(len(p)), l.Memsz-off)
	if i < len(loads) {
		n = min(n, loads[i].Vaddr-vaddr)
	}
	p = p[:n]
	inFile := uint64(0)
	if off < l.Filesz {
		inFile = min(n, l.Filesz-off)
	}
	if inFile > 0 && l.Off+off < l.Off {
		return 0, f.fail(nil, l.Off, "segment at address %#x wraps around the file", l.Vaddr)
	}
	if err := f.src.readFull(p[:inFile], l.Off+off); err != nil {
		return 0, f.wrap(err, nil, l.Off+off, "segment at address %#x", l.Vaddr)
	}
	clear(p[inFile:])
	return int(n), nil
}

// prefix is the start of messages that are not about the format.
func (f *File) prefix() string {
	if f.Name == "" {
		return ""
	}
	return f.Name + ": "
}
