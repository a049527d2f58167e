package elfdiff_test

import (
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// An object is cut into atoms: functions, variables, strings, jump tables.
func ExampleOpen() {
	o, err := elfdiff.Open("testdata/objects/pre.o")
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range o.Functions() {
		fmt.Printf("%s, %d bytes\n", f.Name, f.Size)
		for _, r := range f.Refs {
			if t := o.Atom(r.Target); t != nil && !t.Anonymous() {
				fmt.Printf("  +%#x refers to the %s %s\n", r.Offset, t.Kind, t.Name)
			}
		}
	}
	// Output:
	// weight.cold, 7 bytes
	//   +0x3 refers to the function weight
	// weight, 164 bytes
	//   +0x9 refers to the function weight.cold
	//   +0x7a refers to the data requests
	// serve, 37 bytes
	//   +0x3 refers to the data requests
	//   +0x9 refers to the function weight
	//   +0xf refers to the data requests
	// idle, 7 bytes
	//   +0x2 refers to the data requests
}

// Post counts what it has served, and words a message otherwise.
func ExampleCompare() {
	pre, err := elfdiff.Open("testdata/objects/pre.o")
	if err != nil {
		log.Fatal(err)
	}
	post, err := elfdiff.Open("testdata/objects/post.o")
	if err != nil {
		log.Fatal(err)
	}
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for _, ch := range list {
			fmt.Printf("%s %s: %s\n", ch.Kind, ch.Name, ch.Status)
			for _, r := range ch.Reasons {
				fmt.Printf("  %s -> %s\n", r.PreText, r.PostText)
			}
		}
	}
	// Output:
	// function weight.cold: same
	// function weight: same
	// function serve: changed
	//   addl   $0x1,requests(%rip) -> add    %edi,served(%rip)
	// function idle: same
	// data requests: same
	// data served: new
}

// The extracted object has the changed function and what is new; all else is
// an undefined symbol, to be resolved against the running program.
func ExampleExtract() {
	pre, err := elfdiff.Open("testdata/objects/pre.o")
	if err != nil {
		log.Fatal(err)
	}
	post, err := elfdiff.Open("testdata/objects/post.o")
	if err != nil {
		log.Fatal(err)
	}
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{})
	if err != nil {
		log.Fatal(err)
	}
	x, err := elfdiff.Extract(d)
	var refused *elfdiff.RefusedError
	if errors.As(err, &refused) {
		for _, r := range refused.Refusals {
			fmt.Println(r.Error(), "-", r.Hint)
		}
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range x.Replacements {
		fmt.Println("replaces", r.Name)
	}
	for _, e := range x.Externals {
		fmt.Println("needs", e.Name)
	}
	if _, err := x.WriteTo(io.Discard); err != nil {
		log.Fatal(err)
	}
	// Output:
	// replaces serve
	// needs requests
	// needs weight
	// needs printf
}
