//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"syscall"

	"github.com/gosplice/gosplice/internal/vm/wire"
)

// guest answers requests, each in a goroutine of its own.
type guest struct {
	port *port
	kmsg kmsg

	write sync.Mutex // one message at a time

	mu      sync.Mutex
	cancels map[uint32]context.CancelFunc // of the running requests
	kids    map[int]bool                  // processes for which somebody waits
	held    map[int][]held                // sets of what stays open
	sets    int                           // how many were made
}

func newGuest(p *port) *guest {
	return &guest{port: p, cancels: map[uint32]context.CancelFunc{}, kids: map[int]bool{}, held: map[int][]held{}}
}

func (g *guest) hello() error {
	var u syscall.Utsname
	if err := syscall.Uname(&u); err != nil {
		return err
	}
	return g.send(&wire.Message{Op: wire.Hello, Fields: [][]byte{[]byte(text(u.Release[:]))}})
}

func (g *guest) send(m *wire.Message) error {
	g.write.Lock()
	defer g.write.Unlock()
	return wire.Write(g.port, m)
}

// serve returns when the host hangs up, or breaks the protocol.
func (g *guest) serve() error {
	for r := bufio.NewReaderSize(g.port, 1<<16); ; {
		m, err := wire.Read(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.Op == wire.Cancel {
			g.cancel(m.ID)
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		g.mu.Lock()
		g.cancels[m.ID] = cancel
		g.mu.Unlock()
		go g.answer(ctx, m)
	}
}

func (g *guest) cancel(id uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if cancel := g.cancels[id]; cancel != nil {
		cancel()
	}
}

// answer runs one request on a thread of its own and answers even when the
// kernel kills that thread.
func (g *guest) answer(ctx context.Context, m *wire.Message) {
	defer g.done(m.ID)
	result := make(chan *wire.Message, 1)
	tid := make(chan int, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tid <- syscall.Gettid()
		result <- g.handle(ctx, m)
	}()
	thread := <-tid
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case r := <-result:
			g.reply(r)
			return
		case <-tick.C:
			if threadAlive(thread) {
				continue
			}
			select {
			case r := <-result: // it finished, and Go ended the thread
				g.reply(r)
			default:
				g.reply(failure(m.ID, errors.New("the kernel killed the thread that ran the request: see the kernel log for an oops")))
			}
			return
		}
	}
}

func (g *guest) done(id uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cancels[id]()
	delete(g.cancels, id)
}

// reply sends the log first, so that the host knows what the request caused.
func (g *guest) reply(m *wire.Message) {
	g.drainLog()
	err := g.send(m)
	if err != nil {
		fmt.Fprintf(os.Stderr, "gosplice guest: answer %d: %v\n", m.ID, err)
	}
}

func threadAlive(tid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", tid))
	if err != nil {
		return false
	}
	// pid (comm) state ...; comm may contain anything.
	state := string(b[strings.LastIndexByte(string(b), ')')+1:])
	return !strings.HasPrefix(state, " Z") && !strings.HasPrefix(state, " X")
}

// handle carries out a request. A panic is an answer, too.
func (g *guest) handle(ctx context.Context, m *wire.Message) (reply *wire.Message) {
	defer func() {
		if p := recover(); p != nil {
			reply = failure(m.ID, fmt.Errorf("guest panic: %v\n%s", p, debug.Stack()))
		}
	}()
	op, ok := operations[m.Op]
	if !ok {
		return failure(m.ID, fmt.Errorf("unknown request %d", m.Op))
	}
	if len(m.Fields) < op.fields {
		return failure(m.ID, fmt.Errorf("request %d has %d fields, want %d", m.Op, len(m.Fields), op.fields))
	}
	fields, err := op.run(g, ctx, m.Fields)
	if err != nil {
		return failure(m.ID, err)
	}
	return &wire.Message{ID: m.ID, Op: wire.Reply, Fields: fields}
}

func failure(id uint32, err error) *wire.Message {
	var errno syscall.Errno
	errors.As(err, &errno)
	return &wire.Message{ID: id, Op: wire.Fail, Fields: [][]byte{[]byte(strconv.Itoa(int(errno))), []byte(err.Error())}}
}
