//go:build linux && amd64

package process

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"time"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

// linkLimit bounds how long a process is waited for whose dynamic linker is at work.
const linkLimit = 2 * time.Second

// linking is what the dynamic linker of a process says of itself to debuggers (struct r_debug).
type linking int

const (
	linkUnknown linking = iota // it has none, or says nothing that is understood
	linkStarts                 // the kernel has not mapped the program yet, see [procfs.AwaitMapped]
	linkNone                   // it has not begun
	linkWorks                  // it maps and relocates, or unmaps
	linkDone
)

// awaitLinked refuses what is no program, and waits until the dynamic linker has mapped and relocated what the program needs. Before, libraries are
// missing, and slots for addresses are empty, by which it can't be told of which kind they are. One that has not
// begun after the time never does: the program has another one, that says nothing.
func awaitLinked(ctx context.Context, pid int) error {
	for end := time.Now().Add(linkLimit); ; {
		if err := isProgram(pid); err != nil {
			return err
		}
		state := linkingOf(pid)
		if state == linkUnknown || state == linkDone {
			return nil
		}
		if time.Now().After(end) {
			if state == linkNone {
				return nil
			}
			r := splice.Refuse(CodeNotReady, "", "", 0, "it is being started, or its dynamic linker is at work, for %v", linkLimit)
			r.Hint = "try again when the program has started, or has loaded its libraries; or follow it (hotpatch follow)"
			return r
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// linkingOf asks the dynamic linker of a process. What goes wrong is seen by who looks at the process next.
func linkingOf(pid int) linking {
	aux, err := procfs.ReadAuxv(pid)
	switch {
	case err != nil:
		return linkUnknown
	case len(aux) == 0:
		return linkStarts
	case aux[procfs.AuxBase] == 0:
		return linkUnknown
	}
	mem, err := procfs.OpenMem(pid, nil)
	if err != nil {
		return linkUnknown
	}
	defer mem.Close()
	debug, ok := debugEntry(mem, aux)
	switch {
	case !ok:
		return linkUnknown
	case debug == 0:
		return linkNone
	}
	const mapAt, stateAt = 8, 24 // r_map, r_state
	var b [32]byte
	if _, err := mem.ReadAddr(b[:], debug); err != nil {
		return linkUnknown
	}
	switch state := binary.LittleEndian.Uint32(b[stateAt:]); {
	case binary.LittleEndian.Uint64(b[mapAt:]) == 0:
		return linkNone
	case state == 0: // RT_CONSISTENT
		return linkDone
	case state <= 2: // RT_ADD, RT_DELETE
		return linkWorks
	}
	return linkUnknown
}

// debugEntry reads the entry DT_DEBUG of the program, which the dynamic linker fills in.
func debugEntry(mem *procfs.Mem, aux procfs.Auxv) (value uint64, ok bool) {
	const header, entry, most = 56, 16, 256 // bytes of a program header and of a dynamic entry; how many at most
	n := min(aux[procfs.AuxPhnum], most)
	b := make([]byte, n*header)
	if _, err := mem.ReadAddr(b, aux[procfs.AuxPhdr]); err != nil {
		return 0, false
	}
	le := binary.LittleEndian
	var bias, dynamic uint64
	for ; len(b) > 0; b = b[header:] {
		switch elf.ProgType(le.Uint32(b)) {
		case elf.PT_PHDR:
			bias = aux[procfs.AuxPhdr] - le.Uint64(b[16:])
		case elf.PT_DYNAMIC:
			dynamic = le.Uint64(b[16:])
		}
	}
	if dynamic == 0 {
		return 0, false
	}
	for i := range uint64(most) {
		var e [entry]byte
		if _, err := mem.ReadAddr(e[:], bias+dynamic+i*entry); err != nil {
			return 0, false
		}
		switch elf.DynTag(le.Uint64(e[:])) {
		case elf.DT_DEBUG:
			return le.Uint64(e[8:]), true
		case elf.DT_NULL:
			return 0, false
		}
	}
	return 0, false
}
