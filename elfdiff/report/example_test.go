package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/report"
)

// mustCompare compares two of the objects that are checked in.
func mustCompare(preName, postName string) *elfdiff.Diff {
	pre, err := elfdiff.Open("../testdata/objects/" + preName)
	if err != nil {
		log.Fatal(err)
	}
	post, err := elfdiff.Open("../testdata/objects/" + postName)
	if err != nil {
		log.Fatal(err)
	}
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return d
}

// Write the summary and the verdicts, without the listings.
func ExampleText() {
	d := mustCompare("pre.o", "post.o")
	if err := report.Text(os.Stdout, d, report.TextOptions{Page: "review.html"}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// functions: 1 changed, 0 new, 0 removed, 3 same
	// data: 0 changed, 1 new, 0 removed, 1 same
	// travels: 1 function, 1 variable, 1 string, 2 unwinding records
	// all changes can be carried
	//
	// changed function serve  37 -> 43 bytes
	//     why: instruction at +0x1/+0x1: addl   $0x1,requests(%rip) -> add    %edi,served(%rip)
	//
	// new data served  4 bytes
	//
	// the listings are in review.html
}

// Write a document for a pipeline, which [report.Diff] reads again.
func ExampleJSON() {
	d := mustCompare("pre.o", "post.o")
	var document bytes.Buffer
	if err := report.JSON(&document, d, report.JSONOptions{}); err != nil {
		log.Fatal(err)
	}
	var read report.Diff
	if err := json.Unmarshal(document.Bytes(), &read); err != nil {
		log.Fatal(err)
	}
	for _, f := range read.Functions {
		fmt.Println(read.Outcome, f.Status, f.Kind, f.Name, f.Reasons[0].Code)
	}
	// Output:
	// carried changed function serve instruction
}

// Write a page for reviewers, with the source of both sides.
func ExampleHTML() {
	d := mustCompare("pre.o", "post.o")
	f, err := os.CreateTemp("", "review-*.html")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(f.Name())
	if err := report.HTML(f, d, report.HTMLOptions{PreSource: "linux-6.1", PostSource: "linux-6.1-fixed"}); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
}
