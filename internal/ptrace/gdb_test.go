//go:build linux && amd64

package ptrace

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/ehframe"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/procfs"
)

// TestGDB walks the stacks of a process and compares them with gdb's.
func TestGDB(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc", "gdb")
	for _, flags := range [][]string{{"-O2"}, {"-O0"}, {"-O2", "-fomit-frame-pointer", "-static"}, {"-Os", "-no-pie"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			bin := t.TempDir() + "/stacks"
			args := append(slices.Clone(flags), "-w", "-pthread", "-o", bin, "testdata/stacks.c")
			if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
				t.Fatalf("gcc: %v\n%s", err, out)
			}
			v := start(t, exec.Command(bin))
			want := gdbStacks(t, v.pid)
			frames := compareStacks(t, v.pid, want)
			t.Logf("%d threads, %d frames", len(want), frames)
		})
	}
}

func compareStacks(t *testing.T, pid int, want map[int][]uint64) (frames int) {
	t.Helper()
	s := seizeT(t, pid, Options{})
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	threads, err := s.Threads()
	if err != nil {
		t.Fatal(err)
	}
	find := tables(t, s)
	for _, th := range threads {
		var got []uint64
		for f, err := range ehframe.Walk(s.Mem(), dwarfRegs(&th.Regs), find, 0) {
			if err != nil {
				t.Errorf("thread %d: %v", th.TID, err)
				break
			}
			got = append(got, f.PC)
		}
		if !slices.Equal(got, want[th.TID]) {
			t.Errorf("thread %d:\ngot %x\ngdb %x", th.TID, got, want[th.TID])
		}
		frames += len(got)
	}
	if len(threads) != len(want) {
		t.Errorf("%d threads, gdb has %d", len(threads), len(want))
	}
	return frames
}

// dwarfRegs puts registers into DWARF's order.
func dwarfRegs(r *Regs) (d ehframe.Regs) {
	for n, v := range map[int]uint64{
		ehframe.RAX: r.Rax, ehframe.RDX: r.Rdx, ehframe.RCX: r.Rcx, ehframe.RBX: r.Rbx,
		ehframe.RSI: r.Rsi, ehframe.RDI: r.Rdi, ehframe.RBP: r.Rbp, ehframe.RSP: r.Rsp,
		ehframe.R8: r.R8, ehframe.R9: r.R9, ehframe.R10: r.R10, ehframe.R11: r.R11,
		ehframe.R12: r.R12, ehframe.R13: r.R13, ehframe.R14: r.R14, ehframe.R15: r.R15,
		ehframe.RA: r.Rip,
	} {
		d.R[n] = v
	}
	return d
}

// tables returns a function that finds the unwind table of a mapped file, and of
// the vdso, from memory.
func tables(t *testing.T, s *Session) func(pc uint64) *ehframe.Table {
	t.Helper()
	maps, err := procfs.Maps(s.ID().PID)
	if err != nil {
		t.Fatal(err)
	}
	cache := make(map[string]*ehframe.Table)
	return func(pc uint64) *ehframe.Table {
		m := procfs.FindMapping(maps, pc)
		if m == nil {
			return nil
		}
		if table, ok := cache[m.Path]; ok {
			return table
		}
		table, err := openTable(s, maps, m)
		if err != nil {
			t.Errorf("table of %v: %v", m, err)
		}
		cache[m.Path] = table
		return table
	}
}

// linked is memory by the addresses that a module is linked at.
type linked struct {
	mem  *Mem
	bias uint64
}

func (l linked) ReadAddr(p []byte, addr uint64) (int, error) { return l.mem.ReadAddr(p, addr+l.bias) }

func openTable(s *Session, maps []procfs.Mapping, m *procfs.Mapping) (*ehframe.Table, error) {
	first := maps[slices.IndexFunc(maps, func(o procfs.Mapping) bool { return o.Path == m.Path })]
	if m.Path == "[vdso]" {
		image := make([]byte, m.Len())
		if _, err := s.Mem().ReadAddr(image, m.Start); err != nil {
			return nil, err
		}
		f, err := elfobj.Parse(image)
		if err != nil {
			return nil, err
		}
		return ehframe.FromMemory(linked{s.Mem(), m.Start}, f.Progs, m.Start)
	}
	file, err := procfs.OpenMapping(s.ID().PID, *m)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	f, err := elfobj.NewFile(file, st.Size())
	if err != nil {
		return nil, err
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			return ehframe.FromELF(f, first.Start-p.Vaddr&^4095)
		}
	}
	return nil, errors.New("nothing to load")
}

var (
	gdbThread = regexp.MustCompile(`^Thread \d+ .*LWP (\d+)`)
	gdbPC     = regexp.MustCompile(`^pc (0x[0-9a-f]+)$`)
)

// gdbStacks asks gdb for the program counters of all frames of all threads.
func gdbStacks(t *testing.T, pid int) map[int][]uint64 {
	t.Helper()
	// Without debug information gdb shows the frames that are there, and not
	// those of inlined functions and tail calls besides.
	cmd := exec.Command("gdb", "-nx", "-batch", "-iex", "set debug-file-directory /nonexistent", "-p", fmt.Sprint(pid),
		"-ex", "set backtrace past-main on", "-ex", "set backtrace past-entry on",
		"-ex", `thread apply all frame apply all -q printf "pc %p\n", $pc`)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gdb: %v", err)
	}
	stacks := make(map[int][]uint64)
	tid := 0
	for line := range bytes.Lines(out) {
		line = bytes.TrimSpace(line)
		if m := gdbThread.FindSubmatch(line); m != nil {
			tid, _ = strconv.Atoi(string(m[1]))
		} else if m := gdbPC.FindSubmatch(line); m != nil && tid != 0 {
			pc, _ := strconv.ParseUint(string(m[1][2:]), 16, 64)
			stacks[tid] = append(stacks[tid], pc)
		}
	}
	if len(stacks) == 0 {
		testenv.Skip(t, "gdb shows no threads:\n%s", out)
	}
	return stacks
}
