//go:build linux

package procfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapFile maps a file into this process and returns its mapping.
func mapFile(t *testing.T, name string) Mapping {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	return mappingOf(t, b)
}

func mappingOf(t *testing.T, b []byte) Mapping {
	t.Helper()
	maps, err := Maps(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	m := FindMapping(maps, uint64(uintptr(unsafe.Pointer(&b[0]))))
	if m == nil {
		t.Fatal("mapping not found")
	}
	return *m
}

// TestOpenMapping has the mapped file even when another has taken its name.
func TestOpenMapping(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "odd name\nwith lines (deleted)")
	write := func(s string) {
		if err := os.WriteFile(name, []byte(s), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	m := mapFile(t, name)
	if !m.IsFile() || m.Path+deletedSuffix != name || !m.Deleted {
		t.Errorf("mapping %+v", m) // the ambiguity that Deleted documents
	}
	read := func() (string, error) {
		f, err := OpenMapping(os.Getpid(), m)
		if err != nil {
			return "", err
		}
		defer f.Close()
		b, err := os.ReadFile(f.Name())
		return string(b), err
	}
	if s, err := read(); s != "old" || err != nil {
		t.Errorf("got %q, %v", s, err)
	}
	os.Remove(name)
	write("new")
	s, err := read()
	if os.Geteuid() == 0 {
		if s != "old" || err != nil {
			t.Errorf("got %q, %v", s, err)
		}
	} else {
		var mf *MapFileError
		if s == "new" || !errors.As(err, &mf) {
			t.Errorf("got %q, %v", s, err)
		}
	}
	// By path alone.
	if _, err := openSame(name, m); !errors.Is(err, ErrReplaced) {
		t.Errorf("openSame: %v", err)
	}
	if _, err := OpenMapping(os.Getpid(), Mapping{Path: "[heap]"}); !errors.Is(err, ErrNoFile) {
		t.Errorf("heap: %v", err)
	}
	gone := m
	gone.Start, gone.End = 0x1000, 0x2000
	if _, err := OpenMapping(os.Getpid(), gone); err == nil {
		t.Error("opened a mapping that is not there")
	}
}

func TestOpenSame(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("content"), 0o666); err != nil {
		t.Fatal(err)
	}
	m := mapFile(t, name)
	f, err := openSame(name, m)
	if err != nil {
		t.Skipf("maps and stat disagree about this file system: %v", err)
	}
	f.Close()
	m.Dev.Minor++
	if _, err := openSame(name, m); !errors.Is(err, ErrReplaced) {
		t.Errorf("other device: %v", err)
	}
}

func TestMem(t *testing.T) {
	page := os.Getpagesize()
	b, err := unix.Mmap(-1, 0, 2*page, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	addr := uint64(uintptr(unsafe.Pointer(&b[0])))
	mem, err := OpenMem(os.Getpid(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	if n, err := mem.WriteAddr([]byte("into read-only memory"), addr+uint64(page)-5); n != 21 || err != nil {
		t.Fatalf("WriteAddr = %d, %v", n, err)
	}
	if got := string(b[page-5 : page+16]); got != "into read-only memory" {
		t.Errorf("got %q", got)
	}
	got := make([]byte, 21)
	if n, err := mem.ReadAt(got, int64(addr)+int64(page)-5); n != 21 || err != nil || string(got) != "into read-only memory" {
		t.Errorf("ReadAt = %d, %v, %q", n, err, got)
	}
	for _, c := range []struct {
		name string
		addr uint64
		len  int
		bad  uint64
	}{
		{"nothing", 0, 8, 0},
		{"vsyscall", 0xffffffffff600000, 8, 0xffffffffff600000},
		{"kernel", 0xffff888000000000, 8, 0xffff888000000000},
		{"sign bit", 1<<63 - 4, 8, 1<<63 - 4},
		{"not canonical", 1 << 50, 8, 1 << 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ae *AddrError
			if _, err := mem.ReadAddr(make([]byte, c.len), c.addr); !errors.As(err, &ae) || ae.Addr != c.bad || ae.Op != "read" {
				t.Errorf("read: %v", err)
			}
			if _, err := mem.WriteAddr(make([]byte, c.len), c.addr); !errors.As(err, &ae) || ae.Addr != c.bad || ae.Op != "write" {
				t.Errorf("write: %v", err)
			}
		})
	}
}

// poker notes what it is asked for.
type poker struct {
	addr uint64
	b    []byte
	err  error
}

func (p *poker) Poke(addr uint64, b []byte) error { p.addr, p.b = addr, b; return p.err }

func TestPoker(t *testing.T) {
	p := &poker{}
	mem, err := OpenMem(os.Getpid(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	if n, err := mem.WriteAddr([]byte("abc"), 0x1000); n != 3 || err != nil || p.addr != 0x1000 || string(p.b) != "abc" {
		t.Errorf("%d, %v, %+v", n, err, p)
	}
	p.err = errors.New("no")
	var ae *AddrError
	if n, err := mem.WriteAddr([]byte("abc"), 0x1000); n != 0 || !errors.Is(err, p.err) || !errors.As(err, &ae) {
		t.Errorf("%d, %v", n, err)
	}
}

func TestSelf(t *testing.T) {
	pid := os.Getpid()
	id, err := Identify(pid)
	if err != nil || id.PID != pid || id.Start == 0 {
		t.Fatal(id, err)
	}
	if err := id.Check(); err != nil {
		t.Error(err)
	}
	id.Start++
	if err := id.Check(); !errors.Is(err, ErrRecycled) || !errors.Is(err, ErrGone) {
		t.Error(err)
	}
	st, err := ReadStatus(pid)
	if err != nil || st.Tgid != pid || st.PPid != os.Getppid() {
		t.Error(st, err)
	}
	tids, err := Tasks(pid)
	if err != nil || !slices.Contains(tids, pid) || len(tids) < st.Threads-2 {
		t.Error(tids, err)
	}
	if n, err := CountTasks(pid); err != nil || n < len(tids)-2 || n > len(tids)+2 { // threads of Go come and go
		t.Errorf("%d threads are counted, %d listed; %v", n, len(tids), err)
	}
	for _, tid := range tids {
		if s, err := ReadTaskStat(pid, tid); err == nil && s.PID != tid {
			t.Errorf("stat of %d is of %d", tid, s.PID)
		}
	}
	auxv, err := ReadAuxv(pid)
	maps, err2 := Maps(pid)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	if m := FindMapping(maps, auxv[AuxSysinfoEhdr]); m == nil || m.Path != "[vdso]" || m.Start != auxv[AuxSysinfoEhdr] {
		t.Errorf("AT_SYSINFO_EHDR %#x is in %v", auxv[AuxSysinfoEhdr], m)
	}
	exe, err := Exe(pid)
	if want, _ := os.Executable(); err != nil || exe != want {
		t.Errorf("Exe = %q, %v; want %q", exe, err, want)
	}
	if m := FindMapping(maps, auxv[AuxEntry]); m == nil || m.Path != exe {
		t.Errorf("AT_ENTRY %#x is in %v", auxv[AuxEntry], m)
	}
}

func TestGone(t *testing.T) {
	cmd := exec.Command("cat") // which ends when its input does
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	mem, err := OpenMem(pid, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	id, err := Identify(pid)
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	var info unix.Siginfo
	unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
	if st, err := ReadStat(pid); err != nil || !st.IsDead() {
		t.Errorf("zombie: %+v, %v", st, err)
	}
	if MemoryPID(pid) != 0 {
		t.Error("a zombie has memory")
	}
	if _, err := Maps(pid); !errors.Is(err, ErrGone) {
		t.Errorf("maps of a zombie: %v", err)
	}
	cmd.Wait()
	for name, f := range map[string]func() error{
		"Check":      id.Check,
		"Maps":       func() error { _, err := Maps(pid); return err },
		"ReadStatus": func() error { _, err := ReadStatus(pid); return err },
		"ReadAuxv":   func() error { _, err := ReadAuxv(pid); return err },
		"Tasks":      func() error { _, err := Tasks(pid); return err },
		"CountTasks": func() error { _, err := CountTasks(pid); return err },
		"Exe":        func() error { _, err := Exe(pid); return err },
		"OpenMem":    func() error { _, err := OpenMem(pid, nil); return err },
		"ReadAddr":   func() error { _, err := mem.ReadAddr(make([]byte, 8), 0x400000); return err },
	} {
		err := f()
		if !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Count(err.Error(), "/proc/") > 1 {
			t.Errorf("%s names the file twice: %v", name, err)
		}
	}
}
