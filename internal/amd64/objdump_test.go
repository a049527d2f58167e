package amd64

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// A tally compares Decode with objdump's listing, line by line.
type tally struct {
	t        testing.TB
	limit    int // stop after so many instructions; 0 for all
	compared int // instructions on which both had to agree
	targets  int // absolute addresses among them
	classes  [numClasses]int
	excused  map[string]int
	wrong    int
}

// exceptions are the reviewed cases in which objdump's line is not the
// instruction that a processor would execute, each with its reason.
var exceptions = []struct {
	name  string
	holds func(l *line) bool
}{
	// Not an instruction for objdump either: data in text, or newer than
	// objdump. In 6.12 the only ones are two lkgs.
	{"bad", func(l *line) bool { return bytes.Contains(l.text, []byte("(bad)")) }},
	// A prefix shown alone: REX in front of another prefix, prefixes in
	// front of something bad, or cut off behind it. We refuse these.
	{"lone prefix", func(l *line) bool {
		name, _ := l.mnemonic()
		_, err := Decode(l.bytes)
		return len(name) == 0 && err != nil
	}},
	// fwait in front of an x87 instruction is shown as one (fstcw), though
	// it is two.
	{"fwait", func(l *line) bool {
		i := bytes.IndexByte(l.bytes, 0x9b)
		in, err := Decode(l.bytes)
		return i >= 0 && err == nil && int(in.Len) == i+1 && in.Opcode == opcode(MapOne, 0x9b)
	}},
	// objdump ends an instruction at the end of the section and at the next
	// symbol: the kernel's srso_untrain_ret is an instruction with another
	// function inside.
	{"cut off", func(l *line) bool {
		_, err := Decode(l.bytes)
		return bytes.HasPrefix(l.text, []byte(".byte ")) && err == ErrTruncated
	}},
	// 66, F2, F3, F0 or REX in front of VEX, EVEX or XOP: a processor
	// refuses it, as we do.
	{"prefixed VEX", func(l *line) bool { return refusal(l, stopVector) }},
	// FRED's instructions are newer than the objdump that this was
	// developed with, which takes eretu and erets for prefixed clac.
	{"FRED", func(l *line) bool {
		in, err := Decode(l.bytes)
		if err != nil || in.ModRMOff == 0 || !in.Prefixes.Has(PrefixRep) && !in.Prefixes.Has(PrefixRepne) {
			return false
		}
		return in.Opcode == opcode(Map0F, 0x01) && l.bytes[in.ModRMOff] == 0xca
	}},
	// AMD and Intel disagree on the length; we refuse.
	{"16-bit branch", func(l *line) bool { return refusal(l, stopBranch16) }},
}

func refusal(l *line, st *stop) bool {
	_, err := Decode(l.bytes)
	e, ok := err.(*UnknownError)
	return ok && e.Reason == st.reason
}

func (c *tally) line(l *line) error {
	if c.excuse(l) {
		return nil
	}
	in, err := Decode(l.bytes)
	return c.compare(l, in, err)
}

// compare judges what Decode said of bytes of which the first len(l.bytes) are
// objdump's instruction.
func (c *tally) compare(l *line, in Inst, err error) error {
	switch {
	case err != nil:
		c.complain(l, "%v", err)
	case int(in.Len) != len(l.bytes):
		c.complain(l, "length %d, objdump has %d", in.Len, len(l.bytes))
	case in.Class != l.classOf():
		c.complain(l, "class %v, objdump has %v", in.Class, l.classOf())
	default:
		c.compareTarget(l, in)
		c.classes[in.Class]++
	}
	c.compared++
	if c.compared == c.limit {
		return errEnough
	}
	return nil
}

func (c *tally) excuse(l *line) bool {
	for _, x := range exceptions {
		if x.holds(l) {
			if c.excused == nil {
				c.excused = map[string]int{}
			}
			c.excused[x.name]++
			return true
		}
	}
	return false
}

func (c *tally) compareTarget(l *line, in Inst) {
	if in.PCRelLen == 0 {
		return
	}
	want, ok := l.target(in.IsBranch())
	got, _ := in.Target(l.bytes, l.addr)
	if in.IsRIPRelative() {
		got, _ = in.Operand(l.bytes, l.addr)
		if in.Prefixes.Has(PrefixAddrSize) {
			want = uint64(uint32(want)) // objdump does not cut it off, processors do
		}
	}
	c.targets++
	if !ok || got != want {
		c.complain(l, "target %#x, objdump has %#x", got, want)
	}
}

func (c *tally) complain(l *line, format string, args ...any) {
	c.wrong++
	if c.wrong <= 30 {
		c.t.Errorf("%#x: % x\t%s: %s", l.addr, l.bytes, l.text, fmt.Sprintf(format, args...))
	}
}

func (c *tally) report() {
	c.t.Helper()
	var excused []string
	for name, n := range c.excused {
		excused = append(excused, fmt.Sprintf("%d %s", n, name))
	}
	slices.Sort(excused)
	c.t.Logf("%d instructions and %d absolute addresses compared, %d disagreements; excused: %s",
		c.compared, c.targets, c.wrong, strings.Join(excused, ", "))
	if c.compared == 0 {
		c.t.Error("nothing was compared")
	}
}

// TestObjdump compares a sample of the code on this machine: C, hand-written
// vector code, and Go.
func TestObjdump(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{
		self,
		"/lib/x86_64-linux-gnu/libc.so.6",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
	} {
		t.Run(filepath.Base(pattern), func(t *testing.T) {
			if _, err := os.Stat(pattern); err != nil {
				t.Skip(err) // a sample: which files there are depends on the system
			}
			c := tally{t: t, limit: 120_000}
			objdump(t, c.line, "-d", pattern)
			c.report()
		})
	}
}

// TestObjdumpVmlinux compares every instruction of whole files, a minute each:
// kernels (stripped ones will do), libraries, programs.
//
//	GOSPLICE_TEST=vmlinux=/usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64 go test -v -run TestObjdumpVmlinux ./internal/amd64
func TestObjdumpVmlinux(t *testing.T) {
	list := testenv.NeedValues(t, "compares whole kernels", testenv.Vmlinux)[0]
	testenv.Need(t, "objdump")
	for _, name := range filepath.SplitList(list) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			c := tally{t: t}
			objdump(t, c.line, "-d", name)
			c.report()
		})
	}
}
