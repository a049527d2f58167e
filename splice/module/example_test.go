package module_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module"
)

// A livepatch module of the change of one object.
func ExampleBuild() {
	k, err := module.OpenKernel("vmlinux") // of the build that runs, with symbols
	if err != nil {
		log.Fatal(err)
	}
	defer k.Close()
	pre, err := elfdiff.Open("pre/fs/proc/cmdline.o")
	if err != nil {
		log.Fatal(err)
	}
	post, err := elfdiff.Open("post/fs/proc/cmdline.o")
	if err != nil {
		log.Fatal(err)
	}
	diff, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
	if err != nil {
		log.Fatal(err)
	}
	match, err := reloc.Match(context.Background(), pre, k.Run(), reloc.Options{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := module.Build(k, module.Options{Name: "fix"}, module.Pair{Diff: diff, Match: match})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range m.Functions {
		fmt.Printf("%s: %d of %d bytes are compared again at load\n", f.Name, f.Size-f.Masked, f.Size)
	}
	f, err := os.Create("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := m.WriteTo(f); err != nil {
		log.Fatal(err)
	}
}
