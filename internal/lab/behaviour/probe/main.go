//go:build linux && amd64

// Command probe runs in a guest and writes down what the kernel does. It reads lines from
// standard input, does what each says, and prints what came of it. Its first argument is a
// name, by which it finds in the kernel log what was logged since.
//
//	read /proc/version               the content
//	write /proc/sys/kernel/panic 5   write /proc/sys/kernel/panic = 1
//	ls /proc/fs                      the names
//	log TEXT                         log TEXT = 2        lines with it since this run began
//	logged TEXT                      the same since the first run of this name
//	up lo                            sets an interface up
//	link NAME KIND [PARENT ID]       makes one; with a parent, a VLAN of it
//	sleep MILLISECONDS
//	s = socket 2 2 0                 any system call of the table: socket = 5
//	getsockopt $s 1 3 buf:4 int:4    getsockopt = 0 "\x02" "\x04"
//	bind $s hex:0200 16              bind = EINVAL
//
// Arguments are numbers, $NAMES, $NAME+NUMBER, words, "quoted text", hex:BYTES, int:NUMBER (four bytes,
// little-endian, to read from and to write to) and buf:LENGTH. What is written to is printed.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

func init() { runtime.LockOSThread() } // all system calls are those of one thread

// A prober keeps what a run remembers.
type prober struct {
	name string
	vars map[string]int64
	keep []any // what the kernel was given addresses of
}

// builtins are what is no system call.
var builtins = map[string]func(p *prober, args []value) (string, error){
	"read":   (*prober).read,
	"write":  (*prober).write,
	"ls":     (*prober).list,
	"log":    func(p *prober, args []value) (string, error) { return p.log(args, false) },
	"logged": func(p *prober, args []value) (string, error) { return p.log(args, true) },
	"up":     (*prober).up,
	"link":   (*prober).link,
	"sleep":  (*prober).sleep,
}

func main() {
	p := &prober{name: "gosplice probe " + os.Args[1], vars: map[string]int64{}}
	if err := p.mark(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := p.line(line); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", line, err)
			os.Exit(1)
		}
	}
}

// line does what a line says. An error is one of the line, not of the kernel.
func (p *prober) line(line string) error {
	words, err := split(line)
	if err != nil {
		return err
	}
	into := ""
	if len(words) > 2 && words[1] == "=" {
		into, words = words[0], words[2:]
	}
	args, err := p.values(words[1:])
	if err != nil {
		return err
	}
	if f, ok := builtins[words[0]]; ok {
		said, err := f(p, args)
		var no unix.Errno
		if errors.As(err, &no) {
			said, err = fmt.Sprintf("%s = %s", strings.Join(words, " "), errno(no)), nil
		}
		fmt.Println(said)
		return err
	}
	nr, ok := calls[words[0]]
	if !ok {
		return errors.New("no such word")
	}
	result, said := p.call(nr, args)
	if into != "" {
		p.vars[into] = result
	}
	fmt.Printf("%s = %s\n", words[0], said)
	return nil
}

func errno(e unix.Errno) string {
	if s := unix.ErrnoName(e); s != "" {
		return s
	}
	return fmt.Sprintf("error %d", int(e))
}
