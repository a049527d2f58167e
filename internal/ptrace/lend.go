//go:build linux && amd64

package ptrace

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/procfs"
)

// lent is code that a process without any of its own is lent for a system call:
// syscall; ret, and behind it rt_sigreturn. It stands where the program was
// entered, which is executed once. So it does no harm when the tracer dies before
// it takes the code back.
type lent struct {
	addr uint64
	old  []byte
}

// lentCode is what is written.
var lentCode = append(bytes.Clone(codeSyscall), codeSigreturn[0]...)

var errNoEntry = errors.New("its entry does not look like code that is executed once")

// findLent returns the place where the program was entered, if that can't be
// executed again: it is code that marks the outermost frame (psABI section
// 3.4.1, "%rbp ... should be set to zero"), goes on in a straight line to its
// first call, and nothing near leads back into it.
func (t *tracer) findLent() (*lent, error) {
	aux, err := procfs.ReadAuxv(t.id.PID)
	if err != nil {
		return nil, err
	}
	const look = 256
	at, b := aux[procfs.AuxEntry], make([]byte, look)
	n, _ := t.mem.ReadAddr(b, at)
	if b = b[:n]; !straightEntry(b, at, len(lentCode)) {
		return nil, fmt.Errorf("%#x: %w", at, errNoEntry)
	}
	for _, th := range t.threads {
		if !th.dead && th.regs.Rip-at < uint64(len(lentCode)) {
			return nil, fmt.Errorf("thread %d is at its entry %#x", th.tid, at)
		}
	}
	return &lent{addr: at, old: bytes.Clone(b[:len(lentCode)])}, nil
}

// startMarks are how entries clear %rbp.
var startMarks = [][]byte{{0x31, 0xed}, {0x48, 0x31, 0xed}, {0x33, 0xed}, {0x48, 0x33, 0xed}}

// straightEntry reports whether b, the code at an entry, begins with need bytes
// that are executed once.
func straightEntry(b []byte, addr uint64, need int) bool {
	code := bytes.TrimPrefix(b, []byte(amd64.Endbr64))
	marked := false
	for _, m := range startMarks {
		marked = marked || bytes.HasPrefix(code, m)
	}
	if !marked {
		return false
	}
	straight := true
	for off := 0; off < len(b); {
		in, err := amd64.Decode(b[off:])
		if err != nil {
			return !straight
		}
		if to, ok := in.Target(b[off:], addr+uint64(off)); ok && to-addr < uint64(need) {
			return false
		}
		off += int(in.Len)
		if straight && in.Class != amd64.Other && in.Class != amd64.Endbr && in.Class != amd64.Nop {
			if in.Class != amd64.Call && in.Class != amd64.CallInd || off < need {
				return false
			}
			straight = false
		}
	}
	return !straight
}

// lend writes the code, and takeBack what was there; nil is nothing to write.
func (t *tracer) lend(l *lent) error {
	if l == nil {
		return nil
	}
	_, err := t.write(lentCode, l.addr)
	return err
}

func (t *tracer) takeBack(l *lent) error {
	if l == nil {
		return nil
	}
	_, err := t.write(l.old, l.addr)
	return err
}
