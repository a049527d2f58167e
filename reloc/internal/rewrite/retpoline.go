package rewrite

import (
	"strings"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// thunkPrefix begins the names of the retpolines.
const thunkPrefix = kerneltab.IndirectThunk

// thunkRegisters are those of the retpolines, in the order of their numbers.
const thunkRegisters = " rax rcx rdx rbx rsp rbp rsi rdi r8  r9  r10 r11 r12 r13 r14 r15"

// Thunks is the number of retpolines: one for each register.
const Thunks = 16

// ThunkName returns the name of the retpoline for a register, by its number.
func ThunkName(reg int) string {
	return thunkPrefix + registerName(reg)
}

func registerName(reg int) string { return strings.TrimSpace(thunkRegisters[4*reg : 4*reg+4]) }

// ThunkOf returns the number of the register that a retpoline branches to, by its name.
func ThunkOf(symbol string) (reg int, ok bool) {
	name, ok := strings.CutPrefix(symbol, thunkPrefix)
	if !ok {
		return 0, false
	}
	for reg := range Thunks {
		if registerName(reg) == name {
			return reg, true
		}
	}
	return 0, false
}

// IsReturnThunk reports whether a symbol is that of a thunk that functions return through.
func IsReturnThunk(symbol string) bool { return strings.Contains(symbol, "return_thunk") }

// IsBareBranch reports whether run is the indirect branch that the branch to a thunk
// for a register stands for.
func IsBareBranch(pre []byte, reg int, run []byte) bool {
	op := pre[0]
	if op == 0x0f { // jcc
		if len(run) < 2 || run[0] != 0x70|pre[1]&15^1 || int(run[1]) != len(run)-2 {
			return false
		}
		op, run = 0xe9, run[2:]
	}
	if len(run) >= 3 && string(run[:3]) == "\x0f\xae\xe8" {
		run = run[3:]
	}
	if reg >= 8 {
		if len(run) == 0 || run[0] != 0x41 {
			return false
		}
		run = run[1:]
	}
	want := byte(0xd0)
	if op == 0xe9 {
		want = 0xe0
	}
	if len(run) < 2 || run[0] != 0xff || run[1] != want|byte(reg&7) {
		return false
	}
	if run = run[2:]; op == 0xe9 && len(run) > 0 && run[0] == 0xcc {
		run = run[1:]
	}
	return IsFilling(run, len(run))
}
