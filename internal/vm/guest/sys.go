//go:build linux

package main

import (
	"syscall"
	"unsafe"
)

// System calls that package syscall has no function for, by their numbers on x86-64
// (arch/x86/entry/syscalls/syscall_64.tbl). This program needs nothing but Go's own packages,
// so that it can be built wherever Go is.
const (
	sysPoll          = 7
	sysDeleteModule  = 176
	sysWaitid        = 247
	sysTimerfdCreate = 283
	sysTimerSettime  = 286
	sysEventfd2      = 290
	sysFinitModule   = 313
	sysMemfdCreate   = 319
	sysPidfdOpen     = 434
)

// result makes an errno an error.
func result(n uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

func finitModule(fd uintptr, params string, flags int) error {
	p, err := syscall.BytePtrFromString(params)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall(sysFinitModule, fd, uintptr(unsafe.Pointer(p)), uintptr(flags))
	_, err = result(0, errno)
	return err
}

func deleteModule(name string, flags int) error {
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall(sysDeleteModule, uintptr(unsafe.Pointer(p)), uintptr(flags), 0)
	_, err = result(0, errno)
	return err
}

func eventfd(value, flags uintptr) (int, error) {
	fd, _, errno := syscall.Syscall(sysEventfd2, value, flags, 0)
	return result(fd, errno)
}

func memfd(name string) (int, error) {
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	fd, _, errno := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(p)), 0, 0)
	return result(fd, errno)
}

func pidfd(pid int) (int, error) {
	fd, _, errno := syscall.Syscall(sysPidfdOpen, uintptr(pid), 0, 0)
	return result(fd, errno)
}

const clockMonotonic = 1

func timerfd(flags uintptr) (int, error) {
	fd, _, errno := syscall.Syscall(sysTimerfdCreate, clockMonotonic, flags, 0)
	return result(fd, errno)
}

// setTimer has a timer expire again and again.
func setTimer(fd int, every syscall.Timespec) error {
	spec := [2]syscall.Timespec{every, every} // the interval, and the first time
	_, _, errno := syscall.Syscall6(sysTimerSettime, uintptr(fd), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	_, err := result(0, errno)
	return err
}

// pollIn waits until there is something to read, for that many milliseconds; -1 is for ever.
func pollIn(fd, timeout int) error {
	const in = 1 // POLLIN
	poll := struct {
		fd              int32
		events, revents int16
	}{int32(fd), in, 0}
	_, _, errno := syscall.Syscall(sysPoll, uintptr(unsafe.Pointer(&poll)), 1, uintptr(timeout))
	_, err := result(0, errno)
	return err
}

// inputQueue asks how much there is to read, as terminals and sockets tell it.
func inputQueue(fd int) error {
	var n int32
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	_, err := result(0, errno)
	return err
}

// died returns a child that has ended, and leaves it as it is; 0 when there is none.
func died() (int, error) {
	// siginfo_t of a SIGCHLD on x86-64: the pid stands 16 bytes in, after signal, errno,
	// code and padding, and the structure has 128.
	var info struct {
		_   [4]int32
		pid int32
		_   [108]byte
	}
	const all = 0 // P_ALL
	_, _, errno := syscall.Syscall6(sysWaitid, all, 0, uintptr(unsafe.Pointer(&info)), syscall.WEXITED|syscall.WNOHANG|syscall.WNOWAIT, 0, 0)
	_, err := result(0, errno)
	return int(info.pid), err
}

// text returns a text that ends with a zero.
func text(b []int8) string {
	var out []byte
	for _, c := range b {
		if c == 0 {
			break
		}
		out = append(out, byte(c))
	}
	return string(out)
}
