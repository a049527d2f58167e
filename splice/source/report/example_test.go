package report_test

import (
	"bytes"
	"context"
	"log"
	"os"
	"path/filepath"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/report"
)

// result is what source.Builder.Build returns for a patch that can't be carried.
func result() *source.Result {
	return &source.Result{
		Schema: source.Schema, Name: "fix", Outcome: source.OutcomeRefused,
		Patches: []source.PatchResult{{Name: "fix.patch", Subject: "tls: count per thread", In: source.Nothing}},
		Refusals: []*finding.Refusal{
			finding.Refuse(finding.CodeTLSChanged, "counter", ".tbss", 8, "it is new"),
		},
	}
}

// Write what became of a patch, for a person.
func ExampleText() {
	if err := report.Text(os.Stdout, report.New(result()), report.TextOptions{Flags: true}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// fix.patch  tls: count per thread
	// refused tls-changed: counter .tbss: it is new
	//   use a map keyed by thread, or restart the program
	// refused: it can't be carried as it is
}

// Write a page for a reviewer.
func ExampleHTML() {
	var page bytes.Buffer
	if err := report.HTML(&page, report.New(result()), report.HTMLOptions{}); err != nil {
		log.Fatal(err)
	}
	// Output:
}

// Reports of many machines lie in one folder; the table tells what became of all.
func ExampleCollect() {
	dir, err := os.MkdirTemp("", "reports")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var b bytes.Buffer
	if _, err := report.New(result()).WriteTo(&b); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fix.json"), b.Bytes(), 0o666); err != nil {
		log.Fatal(err)
	}
	table, err := report.Collect(dir)
	if err != nil {
		log.Fatal(err)
	}
	table.Expect("fix", "another")
	if err := report.TableText(os.Stdout, table, report.TextOptions{}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// refused         fix                                          tls-changed
	// missing         another
	//
	// 2 results: 1 refused, 1 missing
	// carried: 0 of 1 with something to carry, 0.0 %
	//   tls-changed              1 result
}

func ExampleFailureText() {
	f := report.NewFailure(context.Canceled, []string{"reading the patches", "making the update", "writing it"}, 1)
	if err := report.FailureText(os.Stdout, f, "fix.html", report.TextOptions{}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// error while making the update
	//   done: reading the patches
	//   not done: writing it
	//   what to do: it was interrupted: run the same again; what was fetched and compiled is kept, so that the next run goes on from there
	//   report: fix.html
}
