//go:build linux && amd64

package ptrace

import "fmt"

func roleGoVictim(args []string) error { return fmt.Errorf("not yet") }
