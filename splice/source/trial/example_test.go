package trial_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/trial"
)

// An update is tried with the kernel that it is for, and a script looks whether it does what
// it is to do.
func ExampleRun() {
	f, err := os.Open("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	update, err := module.Read(f)
	if err != nil {
		log.Fatal(err)
	}
	r, err := trial.Run(context.Background(), trial.Options{
		Boot: "/boot/vmlinuz-6.1.0-50-cloud-amd64", Modules: "/lib/modules/6.1.0-50-cloud-amd64",
		Update: update, Exercise: "test.sh",
	})
	var missing *trial.MissingError
	if errors.As(err, &missing) {
		log.Fatalf("apt-get install %s", missing.Packages)
	}
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range r.Exercises {
		fmt.Printf("%s: %s", e.Phase, e.Output)
	}
	for _, f := range r.Failures {
		fmt.Printf("%s: %s\n", f.Stage, f.Text)
	}
}

// Updates of one kernel are tried in one guest: to boot takes longer than to try.
func ExampleBench() {
	ctx := context.Background()
	bench, err := trial.NewBench(trial.Options{Boot: "/boot/vmlinuz-6.1.0-50-cloud-amd64", Modules: "/lib/modules/6.1.0-50-cloud-amd64"})
	if err != nil {
		log.Fatal(err)
	}
	defer bench.Close()
	for _, name := range os.Args[1:] {
		f, err := os.Open(name)
		if err != nil {
			log.Fatal(err)
		}
		update, err := module.Read(f)
		f.Close()
		if err != nil {
			log.Fatal(err)
		}
		r, err := bench.Try(ctx, trial.Options{Update: update})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %v %q\n", name, r.OK, r.Notes)
	}
}
