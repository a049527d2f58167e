package foresee_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/gosplice/gosplice/splice/module/running"
	"github.com/gosplice/gosplice/splice/module/running/foresee"
)

// Look at the running kernel before a livepatch is loaded into it.
func ExampleCheck() {
	file, err := running.Open("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	f, err := foresee.Check(context.Background(), os.DirFS("/"), file, foresee.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Outcome)
	for _, x := range f.Findings {
		fmt.Printf("%v\n  %s\n", &x, x.Hint)
	}
}
