package splice_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/splice"
)

// A fleet is a target of one's own: it has an agent on each of several machines, which this
// example only counts, take an update or none of them.
type fleet struct {
	machines int
	applied  []splice.Report
}

var _ splice.Target[*splice.Update] = (*fleet)(nil)

func (f *fleet) Plan(_ context.Context, u *splice.Update) (*splice.Report, error) {
	for _, r := range f.applied {
		if r.ID == u.ID() {
			return nil, splice.Refuse(splice.CodeApplied, "", "", 0, "all machines have %s", r.Name)
		}
	}
	return &splice.Report{Schema: splice.ReportSchema, Name: u.Name, ID: u.ID(), Threads: f.machines}, nil
}

func (f *fleet) Apply(ctx context.Context, u *splice.Update) (*splice.Report, error) {
	r, err := f.Plan(ctx, u)
	if err != nil {
		return nil, err
	}
	r.State = splice.Applied
	f.applied = append(f.applied, *r)
	return r, nil
}

func (f *fleet) Revert(_ context.Context, id string) (*splice.Report, error) {
	for i := len(f.applied) - 1; i >= 0; i-- {
		if r := f.applied[i]; id == "" || r.ID == id {
			f.applied = append(f.applied[:i], f.applied[i+1:]...)
			r.State = ""
			return &r, nil
		}
	}
	return nil, splice.Refuse(splice.CodeNotApplied, "", "", 0, "no machine has it")
}

func (f *fleet) Status(context.Context) ([]splice.Report, error) { return f.applied, nil }

// What rolls updates out needs to know no more of a target than its methods: a live process
// (process.Target) and a fleet of machines are the same to it.
func ExampleTarget() {
	ctx := context.Background()
	var target splice.Target[*splice.Update] = &fleet{machines: 40}
	fix := &splice.Update{Format: splice.UpdateFormat, Name: "discount"}

	for range 2 {
		r, err := target.Apply(ctx, fix)
		if errors.Is(err, splice.CodeApplied) {
			fmt.Println(err)
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s is %s on %d machines\n", r.Name, r.State, r.Threads)
	}
	if _, err := target.Revert(ctx, fix.ID()); err != nil {
		log.Fatal(err)
	}
	list, err := target.Status(ctx)
	fmt.Println(len(list), "left", err)
	// Output:
	// discount is applied on 40 machines
	// refused (already-applied): all machines have discount
	// 0 left <nil>
}

func TestReportJSON(t *testing.T) {
	r := splice.Report{
		Schema: splice.ReportSchema, PID: 7, Name: "fix", ID: "ab", State: splice.Foreign, Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Start: 1 << 63, End: 1<<64 - 1, Redirects: []splice.Redirected{{Function: "f", Module: "shop", Address: 1, New: 2, Trampoline: "jmp"}},
		Threads: 3, Attempts: 4, Scans: 5, Pause: 6, Kept: "a pointer",
	}
	text, err := json.Marshal(r)
	var back splice.Report
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if diff := cmp.Diff(r, back); err != nil || diff != "" {
		t.Errorf("%v\n%s\n%s", err, text, diff)
	}
}
