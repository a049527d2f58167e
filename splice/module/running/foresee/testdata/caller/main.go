// Caller has the kernel call functions all the time, from threads and from processes that begin and
// end, and looks whether one call runs unfixed code. It takes a file, and goes on until that is
// there; then files that the functions fill, each with what is in them as long as a function is
// fixed, or with "-" and what is not. It prints what it counted as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

const once = "once"

// niceness leaves most of the time to those who load something.
const niceness = 10

// A counted says what was seen.
type counted struct {
	Calls, Processes, Unfixed atomic.Int64
	first                     atomic.Pointer[string] // call that ran unfixed code, or error
}

func main() {
	if os.Args[1] == once {
		os.Exit(child(os.Args[2:]))
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness)
	var c counted
	var wg sync.WaitGroup
	for i := 2; i+1 < len(os.Args); i += 2 {
		wg.Go(func() { c.until(func() error { return c.call(os.Args[i], os.Args[i+1]) }) })
	}
	wg.Go(func() { c.until(c.process) })
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

// call reads a file, which calls the function once, and looks what it has written.
func (c *counted) call(path, mark string) error {
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	b := make([]byte, 4096)
	n, err := syscall.Read(fd, b)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c.Calls.Add(1)
	not, unwanted := strings.CutPrefix(mark, "-")
	if strings.Contains(string(b[:n]), not) == unwanted {
		return fmt.Errorf("%s holds %q", path, b[:n])
	}
	return nil
}

// process starts one that calls each function once, and ends.
func (c *counted) process() error {
	cmd := exec.Command("/proc/self/exe", append([]string{once}, os.Args[2:]...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	c.Processes.Add(1)
	return nil
}

func child(args []string) int {
	var c counted
	for i := 0; i+1 < len(args); i += 2 {
		if err := c.call(args[i], args[i+1]); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	return 0
}
