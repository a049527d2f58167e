package elfdiff_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// storageSource has one variable whose place ROOM decides, and a function that counts
// in it where COUNTS is defined.
const storageSource = `
#ifdef GS
int last ROOM;
int user(void) { int n; asm volatile("incl %%gs:%1; movl %%gs:%1, %0" : "=r" (n) : "m" (last)); return n; }
#else
int last ROOM;
int user(int x) {
#ifdef COUNTS
	last += x;
#endif
	return last;
}
#endif
`

// TestStorage gives a variable another section under the same name.
func TestStorage(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	const plain, perCPU, once = "-DROOM=", `-DROOM=PUT(".data..percpu")`, `-DROOM=PUT(".data..ro_after_init")`
	for _, c := range []struct {
		name      string
		pre, post []string
		outcome   elfdiff.Outcome
		says      []string
	}{
		{"per-CPU becomes plain", []string{perCPU, "-DGS"}, []string{plain, "-DCOUNTS"}, elfdiff.OutcomeRefused, []string{"refused kind-changed last"}},
		{"plain becomes per-CPU", []string{plain}, []string{perCPU, "-DGS"}, elfdiff.OutcomeRefused, []string{"refused kind-changed last"}},
		{"constant becomes per-CPU", []string{`-DROOM=PUT(".rodata.last")`}, []string{perCPU, "-DGS"}, elfdiff.OutcomeRefused, []string{"refused kind-changed last"}},
		{"another per-CPU section", []string{perCPU, "-DGS"}, []string{`-DROOM=PUT(".data..percpu..shared_aligned")`, "-DGS", "-DCHANGED"}, elfdiff.OutcomeCarried, nil},
		{"read-only after the start becomes plain", []string{once}, []string{plain, "-DCOUNTS"}, elfdiff.OutcomeRefused, []string{"refused kind-changed last"}},
		{"plain becomes read-only after the start", []string{plain, "-DCOUNTS"}, []string{once}, elfdiff.OutcomeCarried, []string{"ignored kind-changed last"}},
		{"read-only after the start in both", []string{once}, []string{once, "-DCHANGED"}, elfdiff.OutcomeCarried, nil},
		{"initialised in one", []string{plain}, []string{`-DROOM=PUT(".data.last")`, "-DCOUNTS"}, elfdiff.OutcomeCarried, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, opt := range []elfdiff.Options{{Tables: true}, {Tables: true, Initials: true}, {Tables: true, InPlace: true}} {
				d, err := elfdiff.Compare(compileKernel(t, dir, storageSource, "pre.o", c.pre...), compileKernel(t, dir, storageSource, "post.o", c.post...), opt)
				if err != nil {
					t.Fatal(err)
				}
				if got := d.Outcome(); got != c.outcome {
					t.Errorf("outcome %s, want %s", got, c.outcome)
				}
				if diff := cmp.Diff(sorted(c.says), sorted(said(d))); diff != "" {
					t.Errorf("findings (-want +got):\n%s", diff)
				}
				for _, r := range d.Refusals {
					if r.Section == "" || r.Hint == "" {
						t.Errorf("%+v", r)
					}
				}
			}
		})
	}
}
