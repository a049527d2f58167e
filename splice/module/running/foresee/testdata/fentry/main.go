// Fentry has a BPF program called at each call of a function, or at each return of it, until it is
// killed. It takes "entry" or "exit", and the function.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(where, function string) error {
	attach := map[string]ebpf.AttachType{"entry": ebpf.AttachTraceFEntry, "exit": ebpf.AttachTraceFExit}[where]
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "watcher", Type: ebpf.Tracing, AttachType: attach, AttachTo: function, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return err
	}
	defer p.Close()
	l, err := link.AttachTracing(link.TracingOptions{Program: p})
	if err != nil {
		return err
	}
	defer l.Close()
	for {
		time.Sleep(time.Hour)
	}
}
