//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/ehframe"
	"github.com/gosplice/gosplice/internal/procfs"
)

// TestWalkAnywhere stops a busy process at random instants and walks all
// stacks. All must come to an end but for two places without unwind information:
// check_regs, which is assembly code, and glibc's clone3 behind its system call,
// where the stack is the new thread's or the old one's.
func TestWalkAnywhere(t *testing.T) {
	v := startVictim(t, allJobs...)
	s := seizeT(t, v.pid, Options{})
	ctx := context.Background()
	find := tables(t, s)
	stops := 100
	if testing.Short() {
		stops = 10
	}
	walks, frames, signals, blind, cloning := 0, 0, 0, 0, 0
	places := make(map[uint64]bool) // in clone3
	for range stops {
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		threads, err := s.Threads()
		if err != nil {
			t.Fatal(err)
		}
		maps, err := procfs.Maps(v.pid)
		if err != nil {
			t.Fatal(err)
		}
		for _, th := range threads {
			walks++
			for f, err := range ehframe.Walk(s.Mem(), dwarfRegs(&th.Regs), find, 0) {
				if err != nil {
					m := procfs.FindMapping(maps, f.PC)
					switch {
					case !errors.Is(err, ehframe.NoFDE) || m == nil || f.N > 0 && !f.Exact:
						t.Errorf("thread %d in %v: %v", th.TID, m, err)
					case strings.HasSuffix(m.Path, "/victim"):
						blind++
					case strings.Contains(m.Path, "/libc.so") && (places[f.PC] || len(places) < 4):
						places[f.PC] = true
						cloning++
					default:
						t.Errorf("thread %d in %v: %v", th.TID, m, err)
					}
					break
				}
				frames++
				if f.Exact && f.N > 0 {
					signals++
				}
			}
		}
		s.Resume()
		time.Sleep(time.Millisecond)
	}
	t.Logf("%d walks, %d frames, %d interrupted by a signal, %d ended in check_regs, %d in clone3", walks, frames, signals, blind, cloning)
	s.Detach()
	v.finish()
}

// BenchmarkPause measures Stop and Resume of a process of 16 idle threads: the
// least that it can be held.
func BenchmarkPause(b *testing.B) {
	jobs := make([]string, 16)
	for i := range jobs {
		jobs[i] = "poll"
	}
	v := startVictim(b, jobs...)
	s := seizeT(b, v.pid, Options{})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Stop(ctx); err != nil {
			b.Fatal(err)
		}
		if err := s.Resume(); err != nil {
			b.Fatal(err)
		}
	}
	st := s.Stats()
	b.ReportMetric(float64(st.Total)/float64(st.Stops), "pause-ns/op")
}

// BenchmarkSyscall measures one system call of a stopped process.
func BenchmarkSyscall(b *testing.B) {
	v := startVictim(b, "poll", "poll", "input")
	s := seizeT(b, v.pid, Options{})
	ctx := context.Background()
	if err := s.Stop(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Syscall(ctx, 39); err != nil {
			b.Fatal(err)
		}
	}
}
