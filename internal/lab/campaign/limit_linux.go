package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitAddressSpace bounds the address space of this process, in bytes.
func limitAddressSpace(n uint64) error {
	return unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: n, Max: n})
}

// peakMemory returns how many bytes a process that has ended had at its peak.
func peakMemory(p *os.ProcessState) uint64 {
	return uint64(p.SysUsage().(*syscall.Rusage).Maxrss) << 10 // getrusage(2) counts kilobytes
}
