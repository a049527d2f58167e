// Crowd has as many threads as it is told sleep in the kernel, until it is killed.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = crowd(n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

func crowd(n int) error {
	debug.SetMaxThreads(n + 100)
	for range n {
		go func() {
			runtime.LockOSThread()
			for {
				// Go makes a thread for each that waits in a system call.
				_, _ = unix.Poll(nil, -1)
			}
		}()
	}
	return nil
}
