package lint_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/gosplice/gosplice/splice/module/lint"
)

// A livepatch is held against the kernel that it is for, which need not run.
func ExampleCheck() {
	k, err := lint.OpenKernel(context.Background(), "vmlinux")
	if err != nil {
		log.Fatal(err)
	}
	defer k.Close()
	file, err := os.ReadFile("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	r, err := lint.Check(context.Background(), file, k)
	if err != nil {
		log.Fatal(err)
	}
	for i := range r.Findings {
		fmt.Println(&r.Findings[i])
	}
}

// On the machine itself the memory of the kernel says what a module has to fit to.
func ExampleNewRunning() {
	k, err := lint.NewRunning(context.Background(), os.DirFS("/"))
	if err != nil {
		log.Fatal(err)
	}
	defer k.Close()
	fmt.Println(k.Name())
}

// Before a module is loaded: is it what was written?
func ExampleSealed() {
	file, err := os.ReadFile("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	if err := lint.Sealed(file); err != nil {
		fmt.Println(err) // refused (damaged): ...
	}
}
