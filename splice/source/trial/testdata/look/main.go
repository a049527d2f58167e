// Command look says whether a file holds a text. With -block it leaves a process behind that
// waits for something to read from a pipe.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

func main() {
	switch os.Args[1] {
	case "-block":
		check(exec.Command(os.Args[0], "-wait").Start())
		return
	case "-wait":
		var p [2]int
		check(syscall.Pipe(p[:]))
		_, err := syscall.Read(p[0], make([]byte, 1))
		check(err)
		return
	}
	b, err := os.ReadFile(os.Args[1])
	check(err)
	there, expected := strings.Contains(string(b), os.Args[2]), os.Getenv("GOSPLICE_PHASE") == "patched"
	fmt.Println(map[bool]string{true: "yes", false: "no"}[there])
	if there != expected && os.Args[2] != "" {
		os.Exit(2)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
