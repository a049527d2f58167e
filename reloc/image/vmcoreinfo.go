package image

import (
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// vmcoreinfo is what a kernel says about itself in a core
// (Documentation/admin-guide/kdump/vmcoreinfo.rst, Linux 6.1).
type vmcoreinfo struct {
	release string // OSRELEASE, as uname -r
	buildID []byte // BUILD-ID, nil before 5.9
	offset  uint64 // KERNELOFFSET: run address minus link address
	stext   uint64 // SYMBOL(_stext), a run address
}

// maxNotes bounds the notes of a core: those of /proc/kcore have some kilobytes.
const maxNotes = 1 << 20

// readVmcoreinfo finds the note in the PT_NOTEs of a core.
func readVmcoreinfo(r io.ReaderAt, progs []elfobj.Prog) (vmcoreinfo, error) {
	for i := range progs {
		p := &progs[i]
		if p.Type != elf.PT_NOTE || p.Filesz > maxNotes {
			continue
		}
		b := make([]byte, p.Filesz)
		if n, err := r.ReadAt(b, int64(p.Off)); n < len(b) {
			return vmcoreinfo{}, fmt.Errorf("notes at offset %#x: %w", p.Off, err)
		}
		if text, ok := findNote(b, "VMCOREINFO"); ok {
			return parseVmcoreinfo(text)
		}
	}
	return vmcoreinfo{}, fmt.Errorf("no note VMCOREINFO, so that nothing tells where KASLR put the kernel; it takes CONFIG_CRASH_CORE or CONFIG_VMCORE_INFO: %w", errors.ErrUnsupported)
}

// findNote returns the content of the note of a name (gABI "Note Section").
func findNote(b []byte, name string) (string, bool) {
	le := binary.LittleEndian
	for len(b) >= 12 {
		namesz, descsz := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:]))
		desc := 12 + (namesz+3)&^3
		next := desc + (descsz+3)&^3
		if desc+descsz > uint64(len(b)) {
			return "", false
		}
		if strings.TrimRight(string(b[12:12+namesz]), "\x00") == name {
			return string(b[desc : desc+descsz]), true
		}
		b = b[min(next, uint64(len(b))):]
	}
	return "", false
}

func parseVmcoreinfo(text string) (vmcoreinfo, error) {
	var v vmcoreinfo
	var err error
	seen := map[string]bool{}
	for line := range strings.SplitSeq(strings.TrimRight(text, "\x00"), "\n") {
		key, value, ok := strings.Cut(line, "=")
		if !ok || seen[key] {
			continue
		}
		seen[key] = true
		switch key {
		case "OSRELEASE":
			v.release = value
		case "BUILD-ID":
			v.buildID, err = hex.DecodeString(value)
		case "KERNELOFFSET":
			v.offset, err = strconv.ParseUint(value, 16, 64)
		case "SYMBOL(_stext)":
			v.stext, err = strconv.ParseUint(value, 16, 64)
		}
		if err != nil {
			return v, fmt.Errorf("VMCOREINFO: %s is %.40q: %w", key, value, err)
		}
	}
	for _, key := range []string{"KERNELOFFSET", "SYMBOL(_stext)"} {
		if !seen[key] {
			return v, fmt.Errorf("VMCOREINFO has no %s", key)
		}
	}
	return v, nil
}

// kaslrAlign is what the virtual address of the kernel is a multiple of:
// CONFIG_PHYSICAL_ALIGN, 2 MiB at least on x86-64.
const kaslrAlign = 2 << 20

// slide returns the distance from link to run addresses, and checks it with the
// symbols.
func (v *vmcoreinfo) slide(m kernelMarks) (uint64, error) {
	link := m[kerneltab.ImageStart] - v.offset
	switch {
	case v.stext != m[kerneltab.TextStart]:
		return 0, fmt.Errorf("_stext is at %#x in VMCOREINFO, at %#x in kallsyms", v.stext, m[kerneltab.TextStart])
	case v.offset%kaslrAlign != 0, link < KernelStart, link >= KernelStart+kernelSpace:
		return 0, fmt.Errorf("_text at %#x and a KERNELOFFSET of %#x do not go together", m[kerneltab.ImageStart], v.offset)
	}
	return v.offset, nil
}

// kernelSpace is the size of the area for the kernel's image, which begins at
// kernelStart: KERNEL_IMAGE_SIZE of arch/x86/include/asm/page_64_types.h.
const kernelSpace = 1 << 30
