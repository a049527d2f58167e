// Waiter has threads wait in a pipe's read, which is pipe_read of the kernel. It takes how many,
// and after how many milliseconds each gets a byte: 0 is never.
package main

import (
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	count, _ := strconv.Atoi(os.Args[1])
	every, _ := strconv.Atoi(os.Args[2])
	for range count {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			panic(err)
		}
		go read(p[0])
		if every > 0 {
			go write(p[1], time.Duration(every)*time.Millisecond)
		}
	}
	select {}
}

func read(fd int) {
	runtime.LockOSThread()
	for {
		unix.Read(fd, make([]byte, 1))
	}
}

func write(fd int, every time.Duration) {
	for {
		time.Sleep(every)
		unix.Write(fd, []byte{1})
	}
}
