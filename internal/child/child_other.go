//go:build !unix

package child

import "os/exec"

// EndTogether leaves a command as it is: its context kills it alone.
func EndTogether(*exec.Cmd) {}
