package report_test

import (
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
}

// Write a document for a pipeline, which [report.Diff] reads again.
func ExampleJSON() {
	d := mustCompare("pre.o", "post.o")
	if err := report.JSON(os.Stdout, d, report.JSONOptions{}); err != nil {
		log.Fatal(err)
	}
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
