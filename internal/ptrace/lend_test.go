//go:build linux && amd64

package ptrace

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// plainSource answers without a signal handler.
const plainSource = `
#include <unistd.h>
int main() { char c; write(1, "up\n", 3); while (read(0, &c, 1) > 0) ; write(1, "ok\n", 3); return 0; }`

// bareSource has no C library, and no code that a call could be made with.
const bareSource = `
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tlea 0(%rip), %rsi\n\tand $-16, %rsp\n\tcall start\n\thlt\n");
static long call(long nr, long a, const void *b, long c) {
	long r;
	__asm__ volatile("syscall\n\tnop" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}
void start(void) { char c; call(1, 1, "up\n", 3); while (call(0, 0, &c, 1) > 0) ; call(1, 1, "ok\n", 3); call(231, 0, 0, 0); }`

// TestWays makes calls in programs that are linked in all ways, and kills the
// tracer at every step.
func TestWays(t *testing.T) {
	testenv.Serial(t)
	for _, c := range []struct {
		name, compiler, source string
		flags                  []string
	}{
		{"dynamic", "gcc", plainSource, nil},
		{"static", "gcc", plainSource, []string{"-static"}},
		{"static-pie", "gcc", plainSource, []string{"-static-pie", "-fPIE"}},
		{"musl, static", "musl-gcc", plainSource, []string{"-static"}},
		{"musl, dynamic", "musl-gcc", plainSource, nil},
		{"bare", "gcc", bareSource, []string{"-static", "-nostdlib"}},
		{"bare, position independent", "gcc", bareSource, []string{"-static-pie", "-fPIE", "-nostdlib"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			testenv.Need(t, c.compiler)
			src, bin := filepath.Join(t.TempDir(), "p.c"), filepath.Join(t.TempDir(), "p")
			if err := os.WriteFile(src, []byte(c.source), 0o666); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(c.compiler, append(c.flags, "-O2", "-w", "-fno-stack-protector", "-o", bin, src)...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			v := start(t, exec.Command(bin))
			s := seizeT(t, v.pid, Options{})
			ctx := context.Background()
			before := entryCode(t, s)
			for range 3 {
				if err := cycle(ctx, s); err != nil {
					t.Fatal(err)
				}
			}
			if now := entryCode(t, s); !bytes.Equal(before, now) {
				t.Errorf("its entry was % x, and is % x", before, now)
			}
			s.Detach()
			killAtSteps(t, v)
			s = seizeT(t, v.pid, Options{})
			if err := cycle(ctx, s); err != nil {
				t.Fatal(err)
			}
			s.Detach()
			v.finish()
		})
	}
}

// entryCode returns the code that a call may lend from.
func entryCode(t *testing.T, s *Session) []byte {
	t.Helper()
	var b []byte
	err := s.do(func(tr *tracer) error {
		if l, err := tr.findLent(); err == nil {
			b = l.old
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStraightEntry tells entries that are executed once from others.
func TestStraightEntry(t *testing.T) {
	line := []byte{0x31, 0xed, 0x49, 0x89, 0xd1, 0x5e, 0x48, 0x89, 0xe2, 0x48, 0x83, 0xe4, 0xf0}
	call := []byte{0xe8, 0, 0, 0, 0}
	for _, c := range []struct {
		name string
		code [][]byte
		want bool
	}{
		{"straight", [][]byte{line, call, {0xf4}}, true},
		{"with endbr64", [][]byte{{0xf3, 0x0f, 0x1e, 0xfa}, line, call, {0xf4}}, true},
		{"a loop back into it", [][]byte{line, call, {0xeb, 0xec}}, false}, // to line[0]
		{"a loop behind it", [][]byte{line, call, {0xeb, 0xf9}}, true},
		{"no mark", [][]byte{line[2:], call}, false},
		{"a branch before the call", [][]byte{line[:5], {0x74, 0x00}, line[5:], call}, false},
		{"a system call before the call", [][]byte{line, {0x0f, 0x05}, call}, false},
		{"too short", [][]byte{line[:2], call, line}, false},
		{"cut", [][]byte{line}, false},
	} {
		if got := straightEntry(bytes.Join(c.code, nil), 0x1000, len(lentCode)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
