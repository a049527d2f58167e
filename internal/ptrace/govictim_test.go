//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/procfs"
)

// roleGoVictim is a victim that needs no compiler: goroutines that compute,
// sleep, and talk through pipes, on stacks that are no stacks to the kernel.
func roleGoVictim([]string) error {
	var rounds, failed atomic.Int64
	check := func(ok bool, what string, args ...any) {
		rounds.Add(1)
		if !ok && failed.Add(1) == 1 {
			fmt.Printf("BAD "+what+"\n", args...)
			os.Exit(3)
		}
	}
	go func() { // all of a goroutine's small stack in use, next to the heap
		data := make([]byte, 64<<10)
		for i := range data {
			data[i] = byte(i * 7)
		}
		table := crc64.MakeTable(crc64.ECMA)
		want := crc64.Checksum(data, table)
		for {
			check(crc64.Checksum(data, table) == want, "checksum")
		}
	}()
	go func() {
		sum := func() (s float64) {
			for i := 1; i < 5000; i++ {
				s += math.Sin(float64(i)) / float64(i)
			}
			return s
		}
		for want := sum(); ; {
			check(sum() == want, "sum")
		}
	}()
	go func() {
		for {
			start := time.Now()
			err := unix.Nanosleep(&unix.Timespec{Nsec: 2e6}, nil)
			check(err == nil || err == unix.EINTR, "nanosleep: %v", err)
			check(err != nil || time.Since(start) >= 2*time.Millisecond, "short sleep")
		}
	}()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	go func() {
		for i := byte(0); ; i++ {
			_, err := w.Write([]byte{i})
			check(err == nil, "write: %v", err)
			time.Sleep(time.Millisecond)
		}
	}()
	go func() {
		var b [1]byte
		for i := byte(0); ; i++ {
			_, err := io.ReadFull(r, b[:])
			check(err == nil && b[0] == i, "read: %v", err)
		}
	}()
	fmt.Println("up")
	io.Copy(io.Discard, os.Stdin)
	fmt.Printf("ok rounds=%d\n", rounds.Load())
	return nil
}

// TestGoVictim traces, and is killed while it traces, a Go program.
func TestGoVictim(t *testing.T) {
	testenv.Serial(t)
	cmd := helper("govictim")
	v := start(t, cmd)
	ctx := context.Background()
	s := seizeT(t, v.pid, Options{})
	made, refused := 0, 0
	for range 100 {
		err := cycle(ctx, s)
		switch {
		case err == nil:
			made++
		case errors.Is(err, NoThread):
			refused++
		default:
			t.Fatal(err)
		}
		time.Sleep(200 * time.Microsecond)
	}
	s.Detach()
	kills := 30
	if testing.Short() {
		kills = 5
	}
	for range kills {
		after := time.Duration(rand.IntN(8000)) * time.Microsecond
		runCycle(t, v.pid, after)
		v.alive(fmt.Sprintf("after a kill at %v", after))
	}
	t.Logf("%d calls, %d times no thread for it, %d kills, %s", made, refused, kills, v.finish())
}

// TestGoStacks demands that no stack of a goroutine is taken for one with room below: what lies
// there is of the heap, and would be left as it is should the tracer die.
func TestGoStacks(t *testing.T) {
	v := start(t, helper("govictim"))
	s := seizeT(t, v.pid, Options{})
	defer s.Detach()
	for range 50 {
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := s.do(func(tr *tracer) error {
			maps, err := procfs.Maps(v.pid)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(maps, func(m procfs.Mapping) bool { return strings.Contains(m.Path, "/libc.") }) {
				return nil // with the race detector: its threads are those of the C library
			}
			for _, th := range tr.threads {
				m := procfs.FindMapping(maps, th.regs.Rsp)
				if !th.dead && tr.stackTrouble(th, maps) == "" && m.Path != "[stack]" {
					return fmt.Errorf("thread %d stands at %#x, in %+v", th.tid, th.regs.Rsp, m)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}
