//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// A service is a stock program of Debian that is updated while others use it. To add one is to
// add a row to services, and a client.
type service struct {
	name  string
	start string // of the shell, in the root: it stays in the foreground
	// users is how many ask at once, and client what one of them does.
	users  int
	client func(ctx context.Context, n int) (user, error)
	// comes says that processes come and go with requests, from the program's file: they are followed.
	comes bool
}

// A user asks for one thing after the other. A wrong answer is an error that is errWrong; others
// are requests that were lost.
type user interface {
	ask(ctx context.Context) error
	close()
}

// load counts what users ask for.
type load struct {
	asked, lost, wrong atomic.Int64
	longest            atomic.Int64 // nanoseconds
	first              sync.Once
	bad                error // the first that is not as it should be
	stop               context.CancelFunc
	done               sync.WaitGroup
}

// begin has users ask until the load is ended.
func (s *service) begin(ctx context.Context) *load {
	l := &load{}
	ctx, l.stop = context.WithCancel(ctx)
	for n := range s.users {
		l.done.Go(func() {
			var u user
			for ctx.Err() == nil {
				began := time.Now()
				err := error(nil)
				if u == nil {
					u, err = s.client(ctx, n)
				}
				if err == nil {
					err = u.ask(ctx)
				}
				if ctx.Err() != nil {
					break // it was ended in the middle of one
				}
				l.count(err, time.Since(began))
				if err != nil && u != nil {
					u.close()
					u = nil
				}
			}
			if u != nil {
				u.close()
			}
		})
	}
	return l
}

func (l *load) count(err error, took time.Duration) {
	l.asked.Add(1)
	for {
		was := l.longest.Load()
		if int64(took) <= was || l.longest.CompareAndSwap(was, int64(took)) {
			break
		}
	}
	if err == nil {
		return
	}
	l.first.Do(func() { l.bad = err })
	if isWrong(err) {
		l.wrong.Add(1)
	} else {
		l.lost.Add(1)
	}
}

func (l *load) end() {
	l.stop()
	l.done.Wait()
}

// launch starts a service in the root, and waits until it answers.
func (s *service) launch(t *testing.T, root string) {
	t.Helper()
	mounts := `mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" /bin/sh -c "$1"`
	cmd := exec.Command("unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", mounts, root, s.start)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // and all in its PID namespace
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("it said: %s", tail(said.String(), 3000))
		}
	})
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		u, err := s.client(ctx, 0)
		if err == nil {
			err = u.ask(ctx)
			u.close()
		}
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it does not answer: %v", err)
		}
	}
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// TestServices updates stock services of Debian under load, again and again, and takes the updates
// back. GOSPLICE_TEST has services=DIR: DIR/root is a folder with a Debian system in which they are installed, and
// DIR/NAME*.update are updates that mkupdate -package has made of them. Those that have none are left out.
func TestServices(t *testing.T) {
	dir := testenv.NeedValues(t, "updates stock services under load", testenv.Services)[0]
	testenv.NeedRoot(t)
	cycles := testenv.Number(t, testenv.Cycles, 20)
	backend(t)
	sshKey = filepath.Join(dir, "root/root/.ssh/id")
	for _, s := range services {
		t.Run(s.name, func(t *testing.T) {
			updates, err := filepath.Glob(filepath.Join(dir, s.name+"*.update"))
			if err != nil || len(updates) == 0 {
				t.Skipf("no update %s*.update in %s (%v)", s.name, dir, err)
			}
			s.launch(t, filepath.Join(dir, "root"))
			s.cycle(t, updates, cycles)
		})
	}
}
