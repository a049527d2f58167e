// Failing loads a livepatch module, disables and removes it, with an allocation that fails in one of
// these steps: the first, the second, and so on, until there are no more in it. It is for a kernel in which
// a task whose timer slack is a mark and a number has the allocation of that number fail.
//
// Each line that it prints has the step, the number, what the kernel said, and whether the allocation
// came at all.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	mark  = 0x5afe << 16
	plain = 50000 // what a task has for its timer slack
)

func init() { runtime.LockOSThread() }

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run goes through the steps with every stride-th allocation.
func run(file, step, every string) error {
	stride, err := strconv.Atoi(every)
	if err != nil {
		return err
	}
	image, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	u := &update{image: image, name: strings.TrimSuffix(filepath.Base(file), ".ko")}
	for n := 1; ; n += stride {
		came, said, err := u.round(step, n)
		fmt.Printf("%s %d %v %v\n", step, n, came, said)
		if err != nil {
			return fmt.Errorf("%s, allocation %d: %w", step, n, err)
		}
		if !came {
			return nil
		}
	}
}

type update struct {
	image []byte
	name  string
}

func (u *update) enabled() string { return "/sys/kernel/livepatch/" + u.name + "/enabled" }

// round does all steps, one of them with an allocation that fails, and leaves nothing loaded.
func (u *update) round(step string, n int) (came bool, said, err error) {
	for _, s := range []struct {
		name string
		do   func() error
	}{{"load", u.load}, {"disable", u.disable}, {"remove", u.remove}} {
		if s.name != step {
			if err := errors.Join(u.eventually(s.do), u.settled()); err != nil {
				return came, said, fmt.Errorf("%s: %w", s.name, err)
			}
			continue
		}
		if came, said = failing(n, s.do); said == nil {
			err = u.settled()
		} else if s.name == "load" {
			return came, said, u.gone()
		} else {
			err = errors.Join(u.eventually(s.do), u.settled())
		}
		if err != nil {
			return came, said, fmt.Errorf("after %s: %w", s.name, err)
		}
	}
	return came, said, u.gone()
}

// failing does something while the allocation of a number fails, and says whether that came. It takes no
// signal in between, with which Go's scheduler interrupts a thread: where the kernel finds no memory for the
// stack of a signal's handler, it ends the program.
func failing(n int, do func() error) (came bool, said error) {
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &all, &old); err != nil {
		return false, err
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(mark|n), 0, 0, 0); err != nil {
		return false, err
	}
	said = do()
	left, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return false, err
	}
	return left == plain, errors.Join(said, unix.Prctl(unix.PR_SET_TIMERSLACK, plain, 0, 0, 0))
}

func (u *update) load() error { return unix.InitModule(u.image, "") }

func (u *update) disable() error {
	fd, err := unix.Open(u.enabled(), unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte("0"))
	return errors.Join(err, unix.Close(fd))
}

func (u *update) remove() error { return unix.DeleteModule(u.name, unix.O_NONBLOCK) }

// settled waits until no transition goes on.
func (u *update) settled() error {
	return u.eventually(func() error {
		b, err := os.ReadFile("/sys/kernel/livepatch/" + u.name + "/transition")
		if errors.Is(err, os.ErrNotExist) || err == nil && strings.TrimSpace(string(b)) == "0" {
			return nil
		}
		return errors.Join(err, errors.New("it is in transition"))
	})
}

// gone says whether anything of it is left.
func (u *update) gone() error {
	return u.eventually(func() error {
		for _, name := range []string{"/sys/module/" + u.name, "/sys/kernel/livepatch/" + u.name} {
			if _, err := os.Stat(name); err == nil {
				return fmt.Errorf("%s is there", name)
			}
		}
		return nil
	})
}

// eventually does something until it is done.
func (u *update) eventually(do func() error) error {
	var err error
	for range 600 {
		if err = do(); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
