// Sleeper reads a file once, and sleeps in the system call until there is something
// to read: with os.File it would sleep in another one.
package main

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// The thread that sleeps is the first one, whose number is that of the process.
func init() { runtime.LockOSThread() }

func main() {
	fd, err := unix.Open(os.Args[1], unix.O_RDONLY, 0)
	if err == nil {
		err = unix.EINTR
		for err == unix.EINTR { // by signals of Go's own scheduler
			_, err = unix.Read(fd, make([]byte, 4096))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
