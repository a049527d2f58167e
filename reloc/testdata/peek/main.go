// Peek writes stretches of the running kernel's memory, as /proc/kcore has it, to
// standard output. Arguments are pairs of an address and a length, hexadecimal.
// What can't be read is zeros.
package main

import (
	"bufio"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	core, err := elf.Open("/proc/kcore")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(os.Stdout, 1<<16)
	for i := 0; i+1 < len(args); i += 2 {
		addr, err := strconv.ParseUint(args[i], 16, 64)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(args[i+1], 16, 64)
		if err != nil {
			return err
		}
		if err := peek(w, core, addr, n); err != nil {
			return err
		}
	}
	return w.Flush()
}

const page = 4096

func peek(w io.Writer, core *elf.File, addr, n uint64) error {
	var b [page]byte
	for n > 0 {
		part := min(n, page-addr%page)
		clear(b[:])
		for _, p := range core.Progs {
			if p.Type == elf.PT_LOAD && p.Vaddr <= addr && addr+part <= p.Vaddr+p.Memsz {
				if _, err := p.ReadAt(b[:part], int64(addr-p.Vaddr)); err != nil {
					clear(b[:])
				}
				break
			}
		}
		if _, err := w.Write(b[:part]); err != nil {
			return err
		}
		addr, n = addr+part, n-part
	}
	return nil
}
