// Package seccomp says what a seccomp filter answers to a system call, by
// interpreting its classic BPF program (seccomp(2); kernel/seccomp.c,
// seccomp_check_filter, of Linux 6.1 for the instructions that it may have).
package seccomp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// An Inst is one instruction, struct sock_filter of include/uapi/linux/filter.h.
type Inst struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}

// instSize is the size of struct sock_filter in bytes.
const instSize = 8

// Parse reads a program as the kernel stores it.
func Parse(b []byte) []Inst {
	out := make([]Inst, 0, len(b)/instSize)
	for ; len(b) >= instSize; b = b[instSize:] {
		out = append(out, Inst{binary.LittleEndian.Uint16(b), b[2], b[3], binary.LittleEndian.Uint32(b[4:])})
	}
	return out
}

// Data is what a filter is asked about, struct seccomp_data of
// include/uapi/linux/seccomp.h.
type Data struct {
	Nr   uint32
	Arch uint32
	IP   uint64 // behind the instruction that makes the call
	Args [6]uint64
}

// ArchX8664 is AUDIT_ARCH_X86_64 of include/uapi/linux/audit.h.
const ArchX8664 = 0xc000003e

// An Action is what a filter answers.
type Action uint32

// The answers that let a call pass (include/uapi/linux/seccomp.h). The lower half
// of an answer is data.
const (
	Log   Action = 0x7ffc0000
	Allow Action = 0x7fff0000

	actionMask = 0xffff0000
)

// Passes reports whether the call is made as if there were no filter.
func (a Action) Passes() bool { return a&actionMask == Allow || a&actionMask == Log }

// Ask returns what the filters of a thread answer together: the action that comes
// first in the kernel's order, as signed numbers.
func Ask(filters [][]Inst, d *Data) (Action, error) {
	out := Allow
	for _, f := range filters {
		a, err := run(f, d)
		if err != nil {
			return 0, err
		}
		if int32(a&actionMask) < int32(out&actionMask) {
			out = a
		}
	}
	return out, nil
}

var errProgram = errors.New("no seccomp program")

// dataSize is the size of struct seccomp_data in bytes.
const dataSize = 64

func (d *Data) bytes() (b [dataSize]byte) {
	binary.LittleEndian.PutUint32(b[0:], d.Nr)
	binary.LittleEndian.PutUint32(b[4:], d.Arch)
	binary.LittleEndian.PutUint64(b[8:], d.IP)
	for i, a := range d.Args {
		binary.LittleEndian.PutUint64(b[16+8*i:], a)
	}
	return b
}

// Classes and modes of classic BPF (include/uapi/linux/bpf_common.h).
const (
	classLD, classLDX, classST, classSTX    = 0, 1, 2, 3
	classALU, classJMP, classRET, classMISC = 4, 5, 6, 7

	modeIMM, modeABS, modeMEM, modeLEN = 0x00, 0x20, 0x60, 0x80

	srcX    = 0x08
	retA    = 0x10
	miscTXA = 0x80
)

// machine is the state of a program that runs.
type machine struct {
	a, x uint32
	mem  [16]uint32
	data [dataSize]byte
}

// run runs one program. Jumps lead forward, so that it ends.
func run(prog []Inst, d *Data) (Action, error) {
	m := machine{data: d.bytes()}
	for pc := 0; pc < len(prog); pc++ {
		in := &prog[pc]
		switch in.Code & 7 {
		case classRET:
			if in.Code&0x18 == retA {
				return Action(m.a), nil
			}
			return Action(in.K), nil
		case classJMP:
			pc += m.jump(in)
		default:
			if !m.step(in) {
				return 0, fmt.Errorf("%w: instruction %d has code %#x, operand %#x", errProgram, pc, in.Code, in.K)
			}
		}
	}
	return 0, fmt.Errorf("%w: it does not end", errProgram)
}

// jump returns how many instructions are left out.
func (m *machine) jump(in *Inst) int {
	v := in.K
	if in.Code&srcX != 0 {
		v = m.x
	}
	taken := false
	switch in.Code & 0xf0 {
	case 0x00:
		return int(in.K)
	case 0x10:
		taken = m.a == v
	case 0x20:
		taken = m.a > v
	case 0x30:
		taken = m.a >= v
	case 0x40:
		taken = m.a&v != 0
	}
	if taken {
		return int(in.Jt)
	}
	return int(in.Jf)
}

// step does an instruction that does not jump, if the kernel allows it.
func (m *machine) step(in *Inst) bool {
	switch in.Code & 7 {
	case classLD, classLDX:
		return m.load(in)
	case classST, classSTX:
		if in.K >= uint32(len(m.mem)) {
			return false
		}
		m.mem[in.K] = m.a
		if in.Code&7 == classSTX {
			m.mem[in.K] = m.x
		}
		return true
	case classALU:
		return m.alu(in)
	}
	if in.Code&0xf8 == miscTXA {
		m.a = m.x
	} else {
		m.x = m.a
	}
	return true
}

func (m *machine) load(in *Inst) bool {
	to := &m.a
	if in.Code&7 == classLDX {
		to = &m.x
	}
	switch in.Code & 0xe0 {
	case modeIMM:
		*to = in.K
	case modeLEN:
		*to = dataSize
	case modeMEM:
		if in.K >= uint32(len(m.mem)) {
			return false
		}
		*to = m.mem[in.K]
	case modeABS:
		if in.K%4 != 0 || in.K > dataSize-4 || in.Code&7 != classLD {
			return false
		}
		*to = binary.LittleEndian.Uint32(m.data[in.K:])
	default:
		return false
	}
	return true
}

// alu computes; the kernel ends a program that divides by zero with 0, which
// kills.
func (m *machine) alu(in *Inst) bool {
	v := in.K
	if in.Code&srcX != 0 {
		v = m.x
	}
	switch in.Code & 0xf0 {
	case 0x00:
		m.a += v
	case 0x10:
		m.a -= v
	case 0x20:
		m.a *= v
	case 0x30, 0x90:
		return m.divide(in.Code&0xf0 == 0x90, v)
	case 0x40:
		m.a |= v
	case 0x50:
		m.a &= v
	case 0x60:
		m.a <<= v & 31
	case 0x70:
		m.a >>= v & 31
	case 0x80:
		m.a = -m.a
	case 0xa0:
		m.a ^= v
	default:
		return false
	}
	return true
}

func (m *machine) divide(rest bool, v uint32) bool {
	switch {
	case v == 0:
		return false
	case rest:
		m.a %= v
	default:
		m.a /= v
	}
	return true
}
