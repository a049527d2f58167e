package program_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice/source/patch"
	"github.com/gosplice/gosplice/splice/source/program"
)

// An update of a server that runs, made of a patch of its source.
func Example() {
	ctx := context.Background()
	patches, err := patch.ReadFiles("fix.patch")
	if err != nil {
		log.Fatal(err)
	}
	b, err := program.Open(ctx, program.Source{
		Dir: "redis-7.0.15", Build: "make -j4", Installed: []string{"/usr/bin/redis-server"},
	}, program.Options{Name: "fix"})
	if errors.Is(err, finding.ErrRefused) { // before anything was built
		for _, r := range finding.Refusals(err) {
			fmt.Println(r, r.Hint)
		}
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	r, err := b.Build(ctx, patches...)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range r.Programs {
		if p.Update == nil {
			continue
		}
		f, err := os.Create(p.Name + ".update")
		if err != nil {
			log.Fatal(err)
		}
		if _, err := p.Update.WriteTo(f); err != nil {
			log.Fatal(err)
		}
		if err := f.Close(); err != nil {
			log.Fatal(err)
		}
	}
}
