//go:build linux && amd64

package process

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// TestGoneLibrary unmaps the library that an update is in, as dlclose does. What is left of the update
// is removed by a revert, whatever is mapped in its place, and nothing is written there: unless that
// has the jump, since then it may be the code, made writable for a while.
func TestGoneLibrary(t *testing.T) {
	b := program(t, configNamed("O2-library"), "constant")
	for _, c := range []struct {
		name       string
		over, jump bool
		want       State
	}{{"nothing", false, false, Kept}, {"memory", true, false, Kept}, {"jump", true, true, Foreign}} {
		t.Run(c.name, func(t *testing.T) {
			v := start(t, b.program, "0")
			v.expect("before", "1:price 10")
			r := v.apply(v.update(b))
			at := r.Redirects[0].Address
			jump := make([]byte, 64)
			unmap(t, v.pid, at, jump, c.over)
			if c.jump {
				v.poke(at, jump)
			}
			st, err := Status(context.Background(), v.pid)
			if err != nil || len(st) != 1 || st[0].State != c.want {
				t.Fatalf("%+v, %v", st, err)
			}
			r, err = Revert(context.Background(), v.pid, "", Options{})
			if c.want == Foreign {
				checkRefusal(t, err, splice.CodeRedirected)
				return
			}
			if err != nil || r.State != "" {
				t.Errorf("%+v, %v", r, err)
			}
			if c.over {
				is := make([]byte, 64)
				v.peek(at, is)
				if string(is) != string(make([]byte, 64)) {
					t.Errorf("it wrote % x", is)
				}
			}
		})
	}
}

// unmap unmaps the mapping at an address in a process, of which it returns the first bytes, and maps
// anonymous memory over it if that is wanted.
func unmap(t *testing.T, pid int, at uint64, was []byte, over bool) {
	t.Helper()
	maps, err := procfs.Maps(pid)
	if err != nil {
		t.Fatal(err)
	}
	m := procfs.FindMapping(maps, at)
	s, err := ptrace.Seize(context.Background(), pid, ptrace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Detach()
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer s.Resume()
	if _, err := s.Mem().ReadAddr(was, at); err != nil {
		t.Fatal(err)
	}
	if err := s.Munmap(context.Background(), m.Start, m.Len()); err != nil {
		t.Fatal(err)
	}
	if over {
		if err := s.Mmap(context.Background(), m.Start, m.Len(), unix.PROT_READ|unix.PROT_WRITE); err != nil {
			t.Fatal(err)
		}
	}
}

// peek reads the memory of the victim.
func (v *victim) peek(addr uint64, b []byte) {
	v.t.Helper()
	mem, err := procfs.OpenMem(v.pid, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	defer mem.Close()
	if _, err := mem.ReadAddr(b, addr); err != nil {
		v.t.Fatal(err)
	}
}
