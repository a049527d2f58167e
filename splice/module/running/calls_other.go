//go:build !linux

package running

import "errors"

// linux stands for the system calls where there are none.
type linux struct{}

func (linux) load([]byte) error   { return errors.ErrUnsupported }
func (linux) unload(string) error { return errors.ErrUnsupported }

// explanations are those of Linux.
var explanations, explanationsOfOthers []explanation

// kernelLog stands for the kernel's log.
type kernelLog struct{}

func (k *Kernel) openLog() kernelLog { return kernelLog{} }
func (l kernelLog) since() []string  { return nil }

func (l kernelLog) about(string) []string { return nil }
