//go:build linux && amd64

package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// Apply an update that was written to a file, and tell a process that is busy
// from an update that does not fit.
func ExampleApply() {
	f, err := os.Open("fix.update")
	if err != nil {
		fmt.Println("no update to apply")
		return
	}
	defer f.Close()
	update, err := splice.ReadUpdate(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := process.Apply(context.Background(), 1234, update, process.Options{})
	var busy *process.BusyError
	var refusal *splice.Refusal
	switch {
	case errors.As(err, &busy):
		for _, b := range busy.Blockers {
			fmt.Println(b) // thread 1240 returns to serve at 0x55d0c4a1 (frame 3)
		}
	case errors.As(err, &refusal):
		fmt.Println(refusal, refusal.Hint)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Printf("%d threads stopped for %v\n", report.Threads, report.Pause)
	}
	// Output:
	// no update to apply
}

// List what a process holds, and undo the update that was applied last.
func ExampleRevert() {
	const pid = 1 << 22 // more than the kernel gives
	list, err := process.Status(context.Background(), pid)
	if err != nil {
		fmt.Println(errors.Is(err, splice.ErrRefused))
		return
	}
	for _, r := range list {
		fmt.Println(r.Name, r.State)
	}
	if _, err := process.Revert(context.Background(), pid, "", process.Options{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// true
}

// A process is a splice.Target.
func ExampleTarget() {
	var target splice.Target[*splice.Update] = &process.Target{PID: 1 << 22} // more than the kernel gives
	_, err := target.Status(context.Background())
	fmt.Println(errors.Is(err, process.CodeGone), errors.Is(err, splice.ErrRefused))
	// Output: true true
}

// Inspect says which code runs, and changes nothing.
func ExampleInspect() {
	_, err := process.Inspect(context.Background(), 1<<22, &splice.Update{Format: splice.UpdateFormat}) // more than the kernel gives
	fmt.Println(errors.Is(err, process.CodeGone))
	// Output: true
}

// A process that has just started is held until its dynamic linker is done, and then patched.
func ExampleApplyAtStart() {
	updates := []*splice.Update{{Format: splice.UpdateFormat}}
	for _, r := range process.ApplyAtStart(context.Background(), 1<<22, updates, process.Options{}) { // more than the kernel gives
		fmt.Println(r.Early, errors.Is(r.Err, process.CodeGone))
	}
	// Output: false true
}

// A View is opened once, for several updates.
func ExampleOpenView() {
	_, err := process.OpenView(context.Background(), 1<<22) // more than the kernel gives
	fmt.Println(errors.Is(err, process.CodeGone))
	// Output: true
}
