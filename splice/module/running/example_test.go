package running_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running"
)

// Load an update into the kernel that runs, wait until all tasks run it, and take it back.
func ExampleKernel() {
	file, err := os.Open("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	m, err := module.Read(file)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	var kernel running.Kernel
	report, err := kernel.Apply(ctx, m)
	if errors.Is(err, splice.CodeChanged) {
		log.Fatal(err) // the kernel log says which function is not what it was
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Name, report.State)
	if report, err = kernel.Revert(ctx, m.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Kept)
}

// Load a livepatch of whoever made it, tell how far its transition is, and leave it in transition
// when a minute was not enough.
func ExampleKernel_Load() {
	file, err := running.Open("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	var kernel running.Kernel
	_, err = kernel.Load(ctx, file, running.Options{Stay: true, Progress: func(t *running.Transition) { fmt.Println(t) }})
	var stuck *running.StuckError
	if errors.As(err, &stuck) {
		for _, b := range stuck.Transition.Blockers {
			fmt.Println(b.TID, b.Name, b.Why, b.Help)
		}
	}
}
