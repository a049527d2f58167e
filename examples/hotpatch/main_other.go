//go:build !(linux && amd64)

// Hotpatch patches a program while it runs. It is for Linux on x86-64 only.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "hotpatch: only Linux on x86-64 is supported")
	os.Exit(1)
}
