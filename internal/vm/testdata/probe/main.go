// Command probe is a program for the tests of running programs in a guest. Its
// first argument tells what to do.
package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "copy": // standard input to standard output
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			panic(err)
		}
	case "say":
		fmt.Print(os.Args[2:])
		fmt.Fprint(os.Stderr, "and so on")
		os.Exit(3)
	case "sleep":
		time.Sleep(time.Hour)
	case "die":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "orphan": // a child that outlives its parent
		p, err := os.StartProcess("/proc/self/exe", []string{"probe", "nap"}, &os.ProcAttr{})
		if err != nil {
			panic(err)
		}
		fmt.Print(p.Pid)
	case "nap":
		time.Sleep(200 * time.Millisecond)
	}
}
