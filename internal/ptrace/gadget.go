//go:build linux && amd64

package ptrace

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/internal/procfs"
)

// The code that a system call in the process needs. Almost every program has
// it, because its signal handlers return through it.
var (
	codeSyscall   = []byte{0x0f, 0x05, 0xc3} // syscall; ret
	codeSigreturn = [][]byte{
		{0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05},             // mov $15,%eax; syscall
		{0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}, // mov $15,%rax; syscall
	}
)

const longestGadget = 9

// gadgets are addresses of such code in the process.
type gadgets struct {
	syscall   uint64   // 0 when there is none
	sigreturn []uint64 // all, ascending: one of them is on the stack below each signal handler
}

// findGadgets reads the executable mappings of the process.
func (t *tracer) findGadgets(ctx context.Context) error {
	maps, err := procfs.Maps(t.id.PID)
	if err != nil {
		return err
	}
	var g gadgets
	for i := range maps {
		m := &maps[i]
		if m.Perm&procfs.Exec == 0 || m.Perm&procfs.Read == 0 || m.Start >= maxUser {
			continue
		}
		if err := t.scan(ctx, m, &g); err != nil {
			return err
		}
	}
	slices.Sort(g.sigreturn)
	t.gadgets = g
	return nil
}

// scan looks for gadgets in one mapping, in pieces that overlap so that none
// is cut. A mapping that vanishes meanwhile has none.
func (t *tracer) scan(ctx context.Context, m *procfs.Mapping, g *gadgets) error {
	const chunk = 1 << 20
	buf := make([]byte, min(m.Len(), chunk+longestGadget-1))
	for at := m.Start; at < m.End; at += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(uint64(len(buf)), m.End-at)]
		n, _ := t.mem.ReadAddr(b, at)
		b = b[:n]
		if i := bytes.Index(b, codeSyscall); i >= 0 && g.syscall == 0 {
			g.syscall = at + uint64(i)
		}
		for _, code := range codeSigreturn {
			for off := 0; ; {
				i := bytes.Index(b[off:], code)
				if i < 0 || off+i >= chunk {
					break
				}
				g.sigreturn = append(g.sigreturn, at+uint64(off+i))
				off += i + 1
			}
		}
	}
	return nil
}

// checkGadgets makes sure that the code is still where it was found. Libraries
// come and go while the process runs.
func (t *tracer) checkGadgets(ctx context.Context) (syscall, sigreturn uint64, err error) {
	for try := 0; ; try++ {
		if syscall, sigreturn = t.validGadgets(); syscall != 0 && sigreturn != 0 {
			return syscall, sigreturn, nil
		}
		if try == 1 {
			return 0, 0, &Refusal{Code: NoGadget, PID: t.id.PID,
				Msg: fmt.Sprintf("no code for a system call that restores the thread (syscall;ret at %#x, rt_sigreturn at %#x)", syscall, sigreturn)}
		}
		if err := t.findGadgets(ctx); err != nil {
			return 0, 0, err
		}
	}
}

func (t *tracer) validGadgets() (syscall, sigreturn uint64) {
	if t.holds(t.gadgets.syscall, codeSyscall) {
		syscall = t.gadgets.syscall
	}
	for _, addr := range t.gadgets.sigreturn {
		for _, code := range codeSigreturn {
			if t.holds(addr, code) {
				return syscall, addr
			}
		}
	}
	return syscall, 0
}

func (t *tracer) holds(addr uint64, code []byte) bool {
	var buf [longestGadget]byte
	b := buf[:len(code)]
	_, err := t.mem.ReadAddr(b, addr)
	return err == nil && bytes.Equal(b, code)
}
