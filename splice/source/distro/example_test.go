package distro_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/gosplice/gosplice/splice/source/distro"
)

// The files of a stock kernel, whatever this machine runs.
func ExampleDebian() {
	f, err := distro.Debian(context.Background(), "6.1.0-50-cloud-amd64", distro.Options{})
	var missing *distro.MissingError
	if errors.As(err, &missing) {
		log.Fatalf("apt-get install %s", missing.Packages)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Release, f.Version, f.Source, f.Config, f.Image, f.Modules)
}

// The files of the kernel that runs here.
func ExampleRunning() {
	f, err := distro.Running(context.Background(), distro.Options{})
	var foreign *distro.ForeignError
	if errors.As(err, &foreign) {
		log.Fatalf("%s is not a kernel of Debian", foreign.Release)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Release, f.Boot)
}
