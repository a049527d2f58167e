package amd64

import "fmt"

// Disasm prints one instruction; so far only its bytes.
func Disasm(b []byte, pc uint64, sym func(addr uint64) (name string, off uint64, ok bool)) string {
	return fmt.Sprintf(".byte % x", b)
}
