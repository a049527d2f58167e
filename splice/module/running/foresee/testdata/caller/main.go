// Caller has the kernel call functions all the time, from threads and from processes that begin and
// end, and looks whether one call runs unfixed code. It takes a file, and goes on until that is
// there; then files that the functions fill, each with what is in them as long as a function is
// fixed, or with "-" and what is not. It prints what it counted as JSON.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// niceness leaves most of the time to those who load something.
const niceness = 10

// A call is a file to read, and what shows that the function that fills it is fixed.
type call struct {
	path     [256]byte // with a zero behind it
	mark     []byte
	unwanted bool
}

// A counted says what was seen.
type counted struct {
	Calls, Processes, Unfixed atomic.Int64
	first                     atomic.Pointer[string] // call that ran unfixed code, or error
}

func main() {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness)
	var list []call
	for i := 2; i+1 < len(os.Args); i += 2 {
		mark, unwanted := strings.CutPrefix(os.Args[i+1], "-")
		list = append(list, call{mark: []byte(mark), unwanted: unwanted})
		copy(list[len(list)-1].path[:255], os.Args[i])
	}
	var c counted
	var wg sync.WaitGroup
	for i := range list {
		wg.Go(func() {
			b := make([]byte, size)
			c.until(func() error {
				c.Calls.Add(1)
				return explain(&list[i], list[i].do(b), b)
			})
		})
	}
	wg.Go(func() { c.until(func() error { return c.process(list) }) })
	wg.Wait()
	out := map[string]any{"calls": c.Calls.Load(), "processes": c.Processes.Load(), "unfixed": c.Unfixed.Load(), "first": c.first.Load()}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		os.Exit(1)
	}
}

// until does something until it is to stop.
func (c *counted) until(do func() error) {
	for i := 0; ; i++ {
		if err := do(); err != nil {
			c.Unfixed.Add(1)
			text := err.Error()
			c.first.CompareAndSwap(nil, &text)
		}
		if _, err := os.Stat(os.Args[1]); i%8 == 0 && err == nil {
			return
		}
	}
}

// What comes of a call.
const (
	fixed = iota
	unfixed
	failed
)

// size is that of the room for a file, bytes.
const size = 4096

// do reads a file, which calls the function once, and looks what it has written. It works in a process that was
// forked without Go's knowledge: nothing is allocated, and no function may ask the scheduler in, which has no
// other threads there and would never come back.
//
//go:nosplit
func (c *call) do(b []byte) int {
	fd, _, errno := syscall.RawSyscall(syscall.SYS_OPEN, uintptr(unsafe.Pointer(&c.path)), syscall.O_RDONLY, 0)
	if errno != 0 {
		return failed
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&b[0])), size)
	syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	if errno != 0 || n >= size {
		return failed
	}
	b[n] = 0
	if contains(b[:n], c.mark) == c.unwanted {
		return unfixed
	}
	return fixed
}

// contains is bytes.Contains without the scheduler.
//
//go:nosplit
func contains(b, mark []byte) bool {
	for i := 0; i+len(mark) <= len(b); i++ {
		j := 0
		for j < len(mark) && b[i+j] == mark[j] {
			j++
		}
		if j == len(mark) {
			return true
		}
	}
	return false
}

func explain(c *call, is int, b []byte) error {
	if is == fixed {
		return nil
	}
	b, _, _ = bytes.Cut(b, []byte{0})
	return fmt.Errorf("%d: %s holds %q", is, bytes.TrimRight(c.path[:], "\x00"), b)
}

// process starts one that calls each function once, and ends.
func (c *counted) process(list []call) error {
	pid, errno := fork(list, make([]byte, size))
	if errno != 0 {
		return errno
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(int(pid), &status, 0, nil); err != nil {
		return err
	}
	c.Processes.Add(1)
	if status.ExitStatus() != fixed {
		return fmt.Errorf("a process ended with %v", status)
	}
	return nil
}

// fork starts a process that calls each function once, and ends with the worst that came of it.
//
//go:nosplit
func fork(list []call, b []byte) (pid uintptr, errno syscall.Errno) {
	pid, _, errno = syscall.RawSyscall(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	worst := fixed
	for i := range list {
		worst = max(worst, list[i].do(b))
	}
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, uintptr(worst), 0, 0)
	}
}
