package amd64

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// A line is one instruction as objdump prints it. The slices are reused.
type line struct {
	addr  uint64
	bytes []byte
	text  []byte // mnemonic and operands, one tab's worth
}

// errEnough stops a listing early.
var errEnough = errors.New("enough")

// objdump streams what objdump prints for arguments to fn, which ends it with
// errEnough. Nothing is kept, so that a kernel's 250 MB listing is no burden.
func objdump(t testing.TB, fn func(*line) error, args ...string) {
	t.Helper()
	testenv.Need(t, "objdump")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "objdump", append([]string{"-w", "-z"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err = readListing(out, fn)
	if err != nil {
		cancel()
	}
	waitErr := cmd.Wait()
	if err == nil && waitErr != nil {
		t.Fatalf("objdump %q: %v\n%s", args, waitErr, stderr.Bytes())
	}
	if err != nil && err != errEnough {
		t.Fatal(err)
	}
}

// readListing takes "  addr:\tbytes \ttext" lines out of a listing.
func readListing(r io.Reader, fn func(*line) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 1<<16), 1<<20)
	var l line
	for sc.Scan() {
		head, rest, ok := bytes.Cut(sc.Bytes(), []byte(":\t"))
		if !ok {
			continue
		}
		addr, err := strconv.ParseUint(string(bytes.TrimSpace(head)), 16, 64)
		if err != nil {
			continue
		}
		hex, text, _ := bytes.Cut(rest, []byte{'\t'})
		l.addr, l.bytes, l.text = addr, appendHex(l.bytes[:0], hex), text
		if err := fn(&l); err != nil {
			return err
		}
	}
	return sc.Err()
}

func appendHex(dst, s []byte) []byte {
	for ; len(s) >= 2; s = s[1:] {
		if s[0] == ' ' {
			continue
		}
		dst = append(dst, nibble(s[0])<<4|nibble(s[1]))
		s = s[1:]
	}
	return dst
}

// prefixWords are what objdump prints in front of a mnemonic.
var prefixWords = map[string]bool{
	"data16": true, "addr32": true, "lock": true, "rep": true, "repz": true, "repnz": true,
	"cs": true, "ds": true, "es": true, "ss": true, "fs": true, "gs": true,
	"bnd": true, "notrack": true, "xacquire": true, "xrelease": true,
	"rex": true, "rex.W": true, "rex.R": true, "rex.X": true, "rex.B": true,
	"rex.WR": true, "rex.WX": true, "rex.WB": true, "rex.RX": true, "rex.RB": true, "rex.XB": true,
	"rex.WRX": true, "rex.WRB": true, "rex.WXB": true, "rex.RXB": true, "rex.WRXB": true,
	"{vex}": true, "{vex3}": true, "{evex}": true,
}

// mnemonic splits off the prefixes and returns the mnemonic, "" when there is
// none, and what follows it.
func (l *line) mnemonic() (name, operands []byte) {
	s := l.text
	for {
		s = bytes.TrimLeft(s, " ")
		n := bytes.IndexByte(s, ' ')
		if n < 0 {
			n = len(s)
		}
		if !prefixWords[string(s[:n])] {
			return s[:n], bytes.TrimLeft(s[n:], " ")
		}
		s = s[n:]
	}
}

// mnemonicClasses has the exact names; what has a family is in classOf.
var mnemonicClasses = map[string]Class{
	"ret": Ret, "retw": Ret, "lret": Ret, "lretw": Ret, "lretq": Ret, "lretl": Ret, "iret": Ret, "iretw": Ret, "iretq": Ret,
	"sysretl": Ret, "sysretq": Ret, "sysexitl": Ret, "sysexitq": Ret, "uiret": Ret, "eretu": Ret, "erets": Ret,
	"rsm": Ret, "seamret": Ret,
	"int3": Trap, "int1": Trap, "ud0": Trap, "ud1": Trap, "ud2": Trap, "hlt": Trap,
	"int": Syscall, "syscall": Syscall, "sysenter": Syscall, "vmcall": Syscall, "vmmcall": Syscall, "vmgexit": Syscall,
	"tdcall": Syscall, "seamcall": Syscall,
	"endbr64": Endbr, "endbr32": Endbr,
	"nop": Nop, "nopw": Nop, "nopl": Nop, "nopq": Nop,
	"loop": LoopCC, "loope": LoopCC, "loopne": LoopCC, "loopl": LoopCC, "loopel": LoopCC, "loopnel": LoopCC,
	"jrcxz": LoopCC, "jecxz": LoopCC,
	"xbegin": TxBegin,
	"ljmp":   JumpInd, "ljmpl": JumpInd, "ljmpw": JumpInd, "ljmpq": JumpInd, "rex.W": Other,
	"lcall": CallInd, "lcalll": CallInd, "lcallw": CallInd, "lcallq": CallInd,
}

// classOf reads the class off the text that objdump prints.
func (l *line) classOf() Class {
	name, operands := l.mnemonic()
	name, _, _ = bytes.Cut(name, []byte{','}) // a branch hint: je,pn
	indirect := len(operands) > 0 && operands[0] == '*'
	if c, ok := mnemonicClasses[string(name)]; ok {
		return c
	}
	switch {
	case bytes.HasPrefix(name, []byte("call")) && indirect:
		return CallInd
	case bytes.HasPrefix(name, []byte("call")):
		return Call
	case bytes.HasPrefix(name, []byte("jmp")) && indirect:
		return JumpInd
	case bytes.HasPrefix(name, []byte("jmp")):
		return Jump
	case len(name) > 0 && name[0] == 'j':
		return Jcc
	case string(name) == "xchg" && l.bytes[len(l.bytes)-1] == 0x90 && (string(operands) == "%ax,%ax" || string(operands) == "%rax,%rax"):
		return Nop // 90 with an operand size; `87 c0`, printed alike, is an exchange
	}
	return Other
}

// target returns the absolute address that objdump computed: the operand of a
// direct branch, or what it prints behind '#' for a RIP-relative operand.
func (l *line) target(branch bool) (uint64, bool) {
	_, s := l.mnemonic()
	if !branch {
		_, after, ok := bytes.Cut(s, []byte("# "))
		if !ok {
			return 0, false
		}
		s = bytes.TrimPrefix(after, []byte("0x"))
	}
	s = bytes.TrimPrefix(s, []byte("0x"))
	if i := bytes.IndexByte(s, ' '); i >= 0 {
		s = s[:i]
	}
	v, err := strconv.ParseUint(string(s), 16, 64)
	return v, err == nil
}
