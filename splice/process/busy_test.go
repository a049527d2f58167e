//go:build linux && amd64

package process

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosplice/gosplice/splice"
)

// impatient gives up early.
var impatient = Options{Attempts: 3, Backoff: time.Millisecond}

// foreseeing touches nothing.
var foreseeing = Options{Attempts: 3, Backoff: time.Millisecond, DryRun: true}

// parkings are requests at which a thread of testdata/odd.c stands where an
// update of slow() can't be applied.
var parkings = []struct {
	name     string
	request  int
	function string
	old, new string
	unwind   bool // the stack can be unwound where unwind tables are
}{
	{"calls", 1, "slow", "101", "201", true},
	{"calls one that calls", 2, "slow", "102", "202", true},
	{"signal handler", 3, "slow", "103", "203", true},
	{"signal handler on another stack", 4, "slow", "104", "204", true},
	{"cold part", 5, "slow", "1105", "2205", true},
}

// TestBusy parks a thread inside the function to be replaced. The update has to
// be refused until it leaves.
func TestBusy(t *testing.T) {
	for _, c := range []config{
		configNamed("O2-pie"),
		configNamed("O2-static"),
		{"O2-notables", "-O2 -fPIE -fno-asynchronous-unwind-tables -fno-unwind-tables", "-pie", false},
	} {
		for i, p := range parkings {
			if testing.Short() && i%2 == 0 {
				continue
			}
			t.Run(c.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				scanned := c.name == "O2-notables"
				b := program(t, c, "odd")
				v := start(t, b.program, "2")
				v.expect("before", "107:0|7:107")
				u := v.update(b)
				code, layout := v.code(), v.layout()
				v.goPark(p.request)
				_, err := Apply(context.Background(), v.pid, u, foreseeing)
				checkBusy(t, v, err, p.function, scanned)
				_, err = Apply(context.Background(), v.pid, u, impatient)
				checkBusy(t, v, err, p.function, scanned)
				if v.layout() != layout || !maps.Equal(code, v.code()) {
					t.Error("a refusal left something behind")
				}
				v.leaveWhile(p.old, func(o Options) (*Report, error) { return Apply(context.Background(), v.pid, u, o) })
				v.expect("after", "7:207")

				v.goPark(p.request)
				for _, opt := range []Options{foreseeing, impatient} {
					_, err = Revert(context.Background(), v.pid, "", opt)
					checkBusy(t, v, err, p.function, scanned)
				}
				v.leaveWhile(p.new, func(o Options) (*Report, error) { return Revert(context.Background(), v.pid, "", o) })
				v.expect("reverted", "7:107")
				if !maps.Equal(code, v.code()) {
					t.Error("code is not what it was")
				}
			})
		}
	}
}

func checkBusy(t *testing.T, v *victim, err error, function string, scanned bool) {
	t.Helper()
	var busy *BusyError
	if !errors.As(err, &busy) {
		t.Fatalf("%v, want a BusyError", err)
	}
	checkRefusal(t, err, splice.CodeBusy)
	for _, b := range busy.Blockers {
		if b.TID == v.pid && strings.HasPrefix(b.Function, function) && b.Addr != 0 && (scanned || b.Frame != -1) {
			return
		}
	}
	t.Errorf("blockers %v, want thread %d in %s", busy.Blockers, v.pid, function)
}

// leaveWhile lets the parked thread go when do has found it in the way; do has
// to succeed then.
func (v *victim) leaveWhile(want string, do func(Options) (*Report, error)) {
	v.t.Helper()
	r, err := do(Options{Logger: v.onBusy(func() { v.unpark.Write([]byte("x")) })})
	if err != nil {
		v.t.Fatal(err)
	}
	if r.Attempts < 2 {
		v.t.Errorf("%d attempts", r.Attempts)
	}
	line, err := v.out.ReadString('\n')
	if got := strings.TrimSuffix(line, "\n"); err != nil || got != want {
		v.t.Errorf("the parked request: %q, %v, want %q", got, err, want)
	}
}

// onBusy returns a logger that does something when a thread stands in the way
// for the first time.
func (v *victim) onBusy(do func()) *slog.Logger {
	return slog.New(&busyHandler{slog.DiscardHandler, sync.OnceFunc(do)})
}

type busyHandler struct {
	slog.Handler
	do func()
}

func (h *busyHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *busyHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "busy" {
		h.do()
	}
	return nil
}
