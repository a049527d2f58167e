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
