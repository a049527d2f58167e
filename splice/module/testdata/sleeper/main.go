// Sleeper reads a file once, and sleeps in the system call until there is something
// to read: with os.File it would sleep in another one.
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	fd, err := unix.Open(os.Args[1], unix.O_RDONLY, 0)
	if err == nil {
		_, err = unix.Read(fd, make([]byte, 4096))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
