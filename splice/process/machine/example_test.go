package machine_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
	"github.com/gosplice/gosplice/splice/process/machine"
)

// Apply a stored update to all processes of a service, and say what became of each.
func ExampleApply() {
	f, err := os.Open("fix.json")
	if err != nil {
		fmt.Println("no update to apply")
		return
	}
	defer f.Close()
	u, err := splice.ReadUpdate(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := machine.Apply(context.Background(), u, machine.Options{Select: machine.Selection{Units: []string{"redis-server"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := report.Text(os.Stdout); err != nil || !report.Fine() {
		os.Exit(1)
	}
	// Output:
	// no update to apply
}

// Revert takes back by ID, and wants enough of it.
func ExampleRevert() {
	_, err := machine.Revert(context.Background(), "ab", machine.Options{})
	fmt.Println(err != nil)
	// Output: true
}

// List what all processes hold.
func ExampleStatus() {
	report, err := machine.Status(context.Background(), machine.Options{Select: machine.Selection{PIDs: []int{1 << 22}}}) // more than the kernel gives
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(report.Processes))
	// Output: 0
}

// Verify asks whether processes run what the update says; none is stopped.
func ExampleVerify() {
	_, err := machine.Verify(context.Background(), &splice.Update{Format: splice.UpdateFormat}, machine.Options{})
	fmt.Println(errors.Is(err, splice.CodeNothing))
	// Output: true
}

// Inspect leaves it to the caller what an inspection means.
func ExampleInspect() {
	_, err := machine.Inspect(context.Background(), "ask", &splice.Update{Format: splice.UpdateFormat}, machine.Options{},
		func(pid int, x *process.Inspection) (machine.Outcome, string) { return machine.Proven, "" })
	fmt.Println(errors.Is(err, splice.CodeNothing))
	// Output: true
}

// InspectAll looks at each process once, for several updates.
func ExampleInspectAll() {
	empty := &splice.Update{Format: splice.UpdateFormat}
	_, err := machine.InspectAll(context.Background(), "ask", []*splice.Update{empty, empty}, machine.Options{},
		func(i, pid int, x *process.Inspection) (machine.Outcome, string) { return machine.Proven, "" })
	fmt.Println(errors.Is(err, splice.CodeNothing))
	// Output: true
}

// Follow applies updates to processes that start later, until the context ends.
func ExampleFollow() {
	err := machine.Follow(context.Background(), nil, machine.FollowOptions{Tell: func(f machine.Followed) {
		fmt.Println(f.Update, f.Process.Command, f.Process.Outcome, f.Early)
	}})
	fmt.Println(err != nil)
	// Output: true
}
