package stacks

import (
	"strconv"
	"strings"
)

// kernelThread is PF_KTHREAD among the flags of a task (include/linux/sched.h).
const kernelThread = 0x00200000

// ParseStat reads /proc/PID/stat: the number, the name in parentheses, the letter of the state,
// and the flags, which are six fields behind it (Documentation/filesystems/proc.rst).
func ParseStat(s string) (t Task, state string, ok bool) {
	id, rest, _ := strings.Cut(s, " (")
	end := strings.LastIndex(rest, ") ")
	if end < 0 {
		return Task{}, "", false
	}
	fields := strings.Fields(rest[end+2:])
	n, err := strconv.Atoi(id)
	if err != nil || len(fields) < 7 {
		return Task{}, "", false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	return Task{n, rest[:end], flags&kernelThread != 0}, fields[0], err == nil
}

// A Line is one of a stack.
type Line struct {
	Frame
	Text string // as it was, without the address in front: "lo_read+0x12/0x40 [loop]"
}

// Lines reads /proc/PID/stack, such as
//
//	[<0>] kcompactd+0x2a5/0x4d0
//	[<0>] lo_read+0x12/0x40 [loop]
//
// the innermost first.
func Lines(s string) (out []Line) {
	for line := range strings.Lines(s) {
		_, rest, _ := strings.Cut(line, "] ")
		rest = strings.TrimSpace(rest)
		name, module, _ := strings.Cut(rest, " [")
		if function, _, ok := strings.Cut(name, "+0x"); ok {
			out = append(out, Line{Frame{function, strings.TrimSuffix(module, "]")}, rest})
		}
	}
	return out
}
