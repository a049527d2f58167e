//go:build linux && amd64

package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A value is an argument: a number, or memory whose address is handed over.
type value struct {
	word    string // as it is written, without quotes
	number  int64
	memory  []byte
	written bool // the kernel may write to it
}

// split cuts a line into words. Quoted ones are as Go has them.
func split(line string) ([]string, error) {
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			words, line = append(words, word), rest
			continue
		}
		q, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, err
		}
		words, line = append(words, q), line[len(q):]
	}
	if len(words) == 0 {
		return nil, errors.New("no words")
	}
	return words, nil
}

func (p *prober) values(words []string) ([]value, error) {
	var list []value
	for _, w := range words {
		v, err := p.value(w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w, err)
		}
		list = append(list, v)
	}
	return list, nil
}

// variable returns what is kept under a name, $NAME, or more than that, $NAME+NUMBER.
func (p *prober) variable(w string) (value, error) {
	name, more, plus := strings.Cut(w[1:], "+")
	n, ok := p.vars[name]
	if !ok {
		return value{}, errors.New("no such name")
	}
	if !plus {
		return value{word: w, number: n}, nil
	}
	add, err := strconv.ParseInt(more, 0, 64)
	return value{word: w, number: n + add}, err
}

func (p *prober) value(w string) (value, error) {
	kind, rest, _ := strings.Cut(w, ":")
	switch {
	case w[0] == '$':
		return p.variable(w)
	case w[0] == '"':
		s, err := strconv.Unquote(w)
		return value{word: s, memory: append([]byte(s), 0)}, err
	case kind == "buf":
		n, err := strconv.ParseUint(rest, 0, 20)
		return value{word: w, memory: make([]byte, n), written: true}, err
	case kind == "int":
		n, err := strconv.ParseInt(rest, 0, 33)
		return value{word: w, memory: binary.LittleEndian.AppendUint32(nil, uint32(n)), written: true}, err
	case kind == "hex":
		b, err := hex.DecodeString(rest)
		return value{word: w, memory: b, written: true}, err
	case w[0] == '-' || w[0] >= '0' && w[0] <= '9':
		n, err := strconv.ParseInt(w, 0, 64)
		if err != nil {
			var u uint64
			u, err = strconv.ParseUint(w, 0, 64)
			n = int64(u)
		}
		return value{word: w, number: n}, err
	}
	return value{word: w, memory: append([]byte(w), 0)}, nil
}

// zeros are shown as one.
var zeros = regexp.MustCompile("\x00+")

// call does a system call, and says what came of it.
func (p *prober) call(nr uintptr, args []value) (int64, string) {
	var a [6]uintptr
	for i, v := range args[:min(len(args), len(a))] {
		a[i] = uintptr(v.number)
		if v.memory != nil {
			p.keep = append(p.keep, v.memory)
			a[i] = uintptr(unsafe.Pointer(&v.memory[0]))
		}
	}
	r, _, e := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if e != 0 {
		return -int64(e), errno(e)
	}
	said := strconv.FormatInt(int64(r), 10)
	for _, v := range args {
		if v.written {
			said += fmt.Sprintf(" %q", zeros.ReplaceAllString(strings.TrimRight(string(v.memory), "\x00"), "\x00"))
		}
	}
	return int64(r), said
}

// calls are the system calls that have a name here.
var calls = map[string]uintptr{
	"accept": unix.SYS_ACCEPT, "access": unix.SYS_ACCESS, "adjtimex": unix.SYS_ADJTIMEX, "bind": unix.SYS_BIND,
	"chdir": unix.SYS_CHDIR, "clock_gettime": unix.SYS_CLOCK_GETTIME, "close": unix.SYS_CLOSE, "connect": unix.SYS_CONNECT,
	"dup": unix.SYS_DUP, "epoll_create1": unix.SYS_EPOLL_CREATE1, "eventfd2": unix.SYS_EVENTFD2, "fallocate": unix.SYS_FALLOCATE,
	"fcntl": unix.SYS_FCNTL, "fsync": unix.SYS_FSYNC, "ftruncate": unix.SYS_FTRUNCATE, "futex": unix.SYS_FUTEX,
	"getcpu": unix.SYS_GETCPU, "getcwd": unix.SYS_GETCWD, "getpriority": unix.SYS_GETPRIORITY, "getrandom": unix.SYS_GETRANDOM,
	"getsockname": unix.SYS_GETSOCKNAME, "getsockopt": unix.SYS_GETSOCKOPT, "inotify_init1": unix.SYS_INOTIFY_INIT1,
	"ioctl": unix.SYS_IOCTL, "ioprio_get": unix.SYS_IOPRIO_GET, "listen": unix.SYS_LISTEN, "lseek": unix.SYS_LSEEK,
	"madvise": unix.SYS_MADVISE, "membarrier": unix.SYS_MEMBARRIER, "memfd_create": unix.SYS_MEMFD_CREATE, "mkdir": unix.SYS_MKDIR,
	"mmap": unix.SYS_MMAP, "mount": unix.SYS_MOUNT, "mq_open": unix.SYS_MQ_OPEN, "msgctl": unix.SYS_MSGCTL, "msgget": unix.SYS_MSGGET,
	"msgsnd": unix.SYS_MSGSND, "open": unix.SYS_OPEN, "personality": unix.SYS_PERSONALITY, "pipe2": unix.SYS_PIPE2,
	"pread": unix.SYS_PREAD64, "prctl": unix.SYS_PRCTL, "preadfd": unix.SYS_READ, "readlink": unix.SYS_READLINK, "recvfrom": unix.SYS_RECVFROM,
	"rmdir": unix.SYS_RMDIR, "sched_getscheduler": unix.SYS_SCHED_GETSCHEDULER, "sched_get_priority_max": unix.SYS_SCHED_GET_PRIORITY_MAX,
	"sched_setaffinity": unix.SYS_SCHED_SETAFFINITY, "semctl": unix.SYS_SEMCTL, "semget": unix.SYS_SEMGET, "sendto": unix.SYS_SENDTO,
	"sethostname": unix.SYS_SETHOSTNAME, "setpriority": unix.SYS_SETPRIORITY, "setsockopt": unix.SYS_SETSOCKOPT, "shmctl": unix.SYS_SHMCTL,
	"shmget": unix.SYS_SHMGET, "socket": unix.SYS_SOCKET, "statfs": unix.SYS_STATFS, "symlink": unix.SYS_SYMLINK, "sync_file_range": unix.SYS_SYNC_FILE_RANGE,
	"sysinfo": unix.SYS_SYSINFO, "syslog": unix.SYS_SYSLOG, "tee": unix.SYS_TEE, "timerfd_create": unix.SYS_TIMERFD_CREATE,
	"timerfd_settime": unix.SYS_TIMERFD_SETTIME, "umount": unix.SYS_UMOUNT2, "uname": unix.SYS_UNAME, "unlink": unix.SYS_UNLINK,
	"unshare": unix.SYS_UNSHARE, "writefd": unix.SYS_WRITE,
}
