package verify_test

import (
	"context"
	"log"
	"os"

	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module/running"
	"github.com/gosplice/gosplice/splice/module/running/verify"
)

// Is the update that is loaded what its file has, and in effect?
func Example() {
	f, err := running.Open("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	img, err := reloc.OpenRunning()
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	report, err := verify.Check(context.Background(), img, f)
	if err != nil {
		log.Fatal(err)
	}
	if err := report.Text(os.Stdout); err != nil {
		log.Fatal(err)
	}
}
