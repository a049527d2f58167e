//go:build linux && amd64

package ptrace

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// The code that a system call in the process needs. Programs whose signal
// handlers return through it have it; pop %rax; ret occurs inside of other
// instructions, and sets the number of rt_sigreturn as well.
var (
	codeSyscall   = []byte{0x0f, 0x05, 0xc3} // syscall; ret
	codePopRax    = []byte{0x58, 0xc3}       // pop %rax; ret
	codeSigreturn = [][]byte{
		{0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05},             // mov $15,%eax; syscall
		{0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}, // mov $15,%rax; syscall
	}
)

const longestGadget = 9

// gadgets are addresses of such code in the process.
type gadgets struct {
	syscall   uint64   // 0 when there is none
	popRax    uint64   // likewise
	sigreturn []uint64 // all, ascending: one of them is on the stack below each signal handler
}

// A way leads a thread through a system call and back: it enters at call, and
// behind the call returns through the words that begin its stack, the last of
// which is where a signal frame has its return address.
type way struct {
	call  uint64
	words []uint64
	back  uint64 // behind the instruction that makes rt_sigreturn
	lent  *lent  // code that has to be written for it, or nil
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
		if i := bytes.Index(b, codePopRax); i >= 0 && g.popRax == 0 {
			g.popRax = at + uint64(i)
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

// findWay returns a way that is there now: libraries come and go while the
// process runs. Where the process has no such code, it is lent some.
func (t *tracer) findWay(ctx context.Context) (*way, error) {
	for try := range 2 {
		if w := t.ownWay(); w != nil {
			return w, nil
		}
		if try > 0 {
			break
		}
		if err := t.findGadgets(ctx); err != nil {
			return nil, err
		}
	}
	l, err := t.findLent()
	if err != nil {
		return nil, &Refusal{Code: NoGadget, PID: t.id.PID, Err: err,
			Msg:  fmt.Sprintf("no code for a system call that restores the thread (syscall;ret at %#x), and no place for any", t.gadgets.syscall),
			Hint: "restart it with the fix, linked with a C library: its signal handlers return through such code"}
	}
	return &way{call: l.addr, words: []uint64{l.addr + uint64(len(codeSyscall))}, back: l.addr + uint64(len(lentCode)), lent: l}, nil
}

// ownWay returns a way through code that the process has, or nil.
func (t *tracer) ownWay() *way {
	call := t.gadgets.syscall
	if !t.holds(call, codeSyscall) {
		return nil
	}
	for _, addr := range t.gadgets.sigreturn {
		for _, code := range codeSigreturn {
			if t.holds(addr, code) {
				return &way{call: call, words: []uint64{addr}, back: addr + uint64(len(code))}
			}
		}
	}
	if t.holds(t.gadgets.popRax, codePopRax) {
		return &way{call: call, words: []uint64{t.gadgets.popRax, unix.SYS_RT_SIGRETURN, call}, back: call + syscallInsnLen}
	}
	return nil
}

func (t *tracer) holds(addr uint64, code []byte) bool {
	var buf [longestGadget]byte
	b := buf[:len(code)]
	_, err := t.mem.ReadAddr(b, addr)
	return err == nil && bytes.Equal(b, code)
}
