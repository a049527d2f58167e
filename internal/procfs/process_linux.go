package procfs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"syscall"
	"time"
)

// Path returns "/proc/PID" joined with the elements.
func Path(pid int, elem ...string) string {
	return path.Join(append([]string{"/proc", strconv.Itoa(pid)}, elem...)...)
}

// taskPath returns the path of a thread's file.
func taskPath(pid, tid int, file string) string {
	return Path(pid, "task", strconv.Itoa(tid), file)
}

// fileError adds the file to the error, and turns the errors that the kernel
// gives for a process that has ended into [ErrGone].
func fileError(file string, err error) error {
	var done *FileError
	if err == nil || errors.As(err, &done) {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		err = ErrGone
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = fmt.Errorf("%s: %w", p.Op, p.Err) // file already says the path
	}
	line := 0
	var syn *SyntaxError
	if errors.As(err, &syn) {
		line = syn.Line
	}
	return &FileError{File: file, Line: line, Err: err}
}

// parsed reads a file and parses it.
func parsed[T any](file string, parse func([]byte) (T, error)) (T, error) {
	b, err := os.ReadFile(file)
	if err == nil {
		var v T
		if v, err = parse(b); err == nil {
			return v, nil
		}
	}
	var zero T
	return zero, fileError(file, err)
}

// MemoryPID returns the id under which /proc shows the memory of a process: its pid,
// or a thread's when the main thread has exited before the others. 0 means that
// nobody is left.
func MemoryPID(pid int) int {
	st, err := ReadStat(pid)
	if err != nil || !st.IsDead() {
		return pid
	}
	tids, _ := Tasks(pid)
	for _, tid := range tids {
		if st, err := ReadTaskStat(pid, tid); err == nil && !st.IsDead() {
			return tid
		}
	}
	return 0
}

// Maps reads /proc/PID/maps. The list of a process that runs may be out of
// date when it is returned. The error wraps [ErrGone] when there is no memory
// any more, as for a zombie.
func Maps(pid int) ([]Mapping, error) {
	maps, err := parsed(Path(pid, "maps"), ParseMaps)
	if errors.Is(err, ErrGone) || err == nil && len(maps) == 0 {
		tid := MemoryPID(pid)
		if tid == 0 || tid == pid {
			return nil, fileError(Path(pid, "maps"), cmp.Or(err, ErrGone))
		}
		return parsed(Path(tid, "maps"), ParseMaps)
	}
	return maps, err
}

// ReadStatus reads /proc/PID/status.
func ReadStatus(pid int) (*Status, error) { return parsed(Path(pid, "status"), ParseStatus) }

// ReadTaskStatus reads the status of one thread.
func ReadTaskStatus(pid, tid int) (*Status, error) {
	return parsed(taskPath(pid, tid, "status"), ParseStatus)
}

// ReadStat reads /proc/PID/stat.
func ReadStat(pid int) (*Stat, error) { return parsed(Path(pid, "stat"), ParseStat) }

// ReadTaskStat reads the stat of one thread.
func ReadTaskStat(pid, tid int) (*Stat, error) {
	return parsed(taskPath(pid, tid, "stat"), ParseStat)
}

// ReadAuxv reads /proc/PID/auxv.
func ReadAuxv(pid int) (Auxv, error) { return parsed(Path(MemoryPID(pid), "auxv"), ParseAuxv) }

// mapping is how long the kernel may take to map a program that a process has begun to execute.
const mapping = time.Second

// AwaitMapped waits while the kernel maps the program that a process executes, for a second at most. The process has
// its new memory, and has closed its files, by which a parent may know of it, before anything is mapped there; the
// kernel writes the auxiliary vector once all is (begin_new_exec of fs/exec.c and load_elf_binary of
// fs/binfmt_elf.c, Linux 6.1).
func AwaitMapped(pid int) {
	for end := time.Now().Add(mapping); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if aux, err := ReadAuxv(pid); err != nil || len(aux) > 0 {
			return
		}
		if st, err := ReadStat(pid); err != nil || st.IsKthread() || MemoryPID(pid) == 0 {
			return
		}
	}
}

// Exe returns the path of the program in its mount namespace, without the
// " (deleted)" that the kernel may append.
func Exe(pid int) (string, error) {
	file := Path(MemoryPID(pid), "exe")
	name, err := os.Readlink(file)
	if err != nil {
		return "", fileError(file, err)
	}
	if n := len(name) - len(deletedSuffix); n > 0 && name[n:] == deletedSuffix {
		name = name[:n]
	}
	return name, nil
}

// OpenExe opens the program's file itself, even when it was deleted or
// replaced since.
func OpenExe(pid int) (*os.File, error) {
	file := Path(MemoryPID(pid), "exe")
	f, err := os.Open(file)
	return f, fileError(file, err)
}

// Tasks lists the ids of the process's threads in the order of their creation.
// While threads come and go the list may miss some.
func Tasks(pid int) ([]int, error) {
	dir := Path(pid, "task")
	f, err := os.Open(dir)
	if err != nil {
		return nil, fileError(dir, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fileError(dir, err)
	}
	tids := make([]int, 0, len(names))
	for _, name := range names {
		tid, err := strconv.Atoi(name)
		if err != nil {
			return nil, fileError(dir, fmt.Errorf("bad thread id %q", name))
		}
		tids = append(tids, tid)
	}
	return tids, nil
}

// CountTasks returns how many threads the process has, those included that have ended
// and that nobody has waited for. It is one system call: the kernel counts them in the
// links of the folder (proc_task_getattr in fs/proc/base.c of Linux 6.1), two of which every
// folder has.
func CountTasks(pid int) (int, error) {
	dir := Path(pid, "task")
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return 0, fileError(dir, err)
	}
	return int(st.Nlink) - 2, nil
}

// An ID identifies a process for good: the kernel reuses a pid, but not
// together with the start time.
//
// It survives execve(2), which keeps both.
type ID struct {
	PID   int
	Start uint64 // [Stat.Start]
}

// Identify returns the identity of a process.
func Identify(pid int) (ID, error) {
	s, err := ReadStat(pid)
	if err != nil {
		return ID{}, err
	}
	return ID{PID: pid, Start: s.Start}, nil
}

// Check returns nil while the process exists, zombies included, otherwise an
// error that wraps [ErrGone] or [ErrRecycled].
func (id ID) Check() error {
	now, err := Identify(id.PID)
	if err != nil {
		return err
	}
	if now != id {
		return fmt.Errorf("pid %d: %w", id.PID, ErrRecycled)
	}
	return nil
}

// String returns e.g. "pid 42 (started at tick 1234)".
func (id ID) String() string {
	return fmt.Sprintf("pid %d (started at tick %d)", id.PID, id.Start)
}

// ReadTaskCall reads where a thread waits in the kernel, from
// /proc/PID/task/TID/syscall (proc_pid_syscall(5)). ok is false when it runs, and
// when the kernel does not tell.
func ReadTaskCall(pid, tid int) (c TaskCall, ok bool, err error) {
	c, err = parsed(taskPath(pid, tid, "syscall"), parseTaskCall)
	return c, c.SP != 0, err
}
