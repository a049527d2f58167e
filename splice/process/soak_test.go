//go:build linux && amd64

package process

import (
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
)

// TestSoak applies and reverts an update 50 times, or 200 when more is asked for,
// while the victim's threads run and requests come in all the time.
func TestSoak(t *testing.T) {
	cycles := 50
	if testenv.Asked(testenv.More) {
		cycles = 200
	}
	for _, tt := range []struct{ threads, cycles int }{{4, cycles}, {200, 30}} {
		t.Run(strconv.Itoa(tt.threads), func(t *testing.T) { soak(t, tt.threads, tt.cycles) })
	}
}

func soak(t *testing.T, threads, cycles int) {
	if testing.Short() {
		cycles = 5
	}
	b := program(t, configNamed("O2-pie"), "pair")
	v := start(t, b.program, strconv.Itoa(threads-1))
	v.expect("before", "1:old 0 0")
	u := v.update(b)
	v.revertAfter(u) // what is made on first use is made
	code, layout, files := v.code(), v.layout(), openFiles(t)
	var stop atomic.Bool
	var asked, wrong atomic.Int64
	done := make(chan error)
	go func() {
		for !stop.Load() {
			line, err := v.tryAsk(1)
			if err != nil {
				done <- err
				return
			}
			if asked.Add(1); line != "old 0 0" && line != "new 0 0" && line != "changing 0 0" {
				wrong.Add(1)
			}
		}
		done <- nil
	}()
	var pauses []time.Duration
	kept := 0
	for range cycles {
		r, err := Apply(context.Background(), v.pid, u, Options{})
		if err != nil {
			t.Fatal(err)
		}
		back, err := Revert(context.Background(), v.pid, u.ID(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if back.State == Kept {
			kept++
		}
		pauses = append(pauses, r.Pause)
	}
	stop.Store(true)
	if err := <-done; err != nil {
		t.Fatalf("after %d answers: %v", asked.Load(), err)
	}
	for range kept {
		v.expect("idle", "1:old 0 0")
		v.revert()
	}
	slices.Sort(pauses)
	t.Logf("%d cycles, %d threads: %d answers, %d wrong, kept at first %d; pause median %v, p99 %v, max %v", cycles, threads, asked.Load(), wrong.Load(), kept,
		pauses[len(pauses)/2], pauses[len(pauses)*99/100], pauses[len(pauses)-1])
	if wrong.Load() > 0 || asked.Load() == 0 {
		t.Errorf("%d of %d answers are wrong", wrong.Load(), asked.Load())
	}
	if !maps.Equal(code, v.code()) {
		t.Error("code is not what it was")
	}
	if now := v.layout(); now != layout {
		t.Errorf("mappings were\n%sand are\n%s", layout, now)
	}
	if now := openFiles(t); now != files {
		t.Errorf("%d open files, %d before", now, files)
	}
}

func (v *victim) revertAfter(u *splice.Update) {
	v.t.Helper()
	v.apply(u)
	v.revert()
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
