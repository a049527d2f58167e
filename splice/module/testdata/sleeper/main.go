// Sleeper reads a file once, and sleeps in the system call until there is something
// to read: with os.File it would sleep in another one. One that is not there it makes, as a
// pipe, and sleeps in open until somebody writes to that.
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
	_ = unix.Mkfifo(os.Args[1], 0o600) // EEXIST
	fd, err := open(os.Args[1])
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

func open(path string) (fd int, err error) {
	for err = unix.EINTR; err == unix.EINTR; {
		fd, err = unix.Open(path, unix.O_RDONLY, 0)
	}
	return fd, err
}
