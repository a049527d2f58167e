//go:build linux && amd64

package machine

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice/process"
)

// outcomes counts the processes of a report by what became of them.
func outcomes(r *Report) string {
	var b strings.Builder
	_ = (&Report{Did: "x", Processes: r.Processes, Settled: true}).Text(&b)
	_, counts, _ := strings.Cut(b.String()[strings.LastIndex(strings.TrimSpace(b.String()), "\n")+1:], "x: ")
	counts, _, _ = strings.Cut(counts, ";")
	return counts
}

// TestHerd has processes of one library: some that wait, one that keeps forking, one whose file was
// replaced, one in other namespaces, and one with another build of the library.
func TestHerd(t *testing.T) {
	h, other := newHerd(t), newHerd(t)
	var herd []*one
	for range 4 {
		herd = append(herd, h.start(t))
	}
	herd = append(herd, h.start(t, "3"))
	if out, err := exec.Command("unshare", "-mpf", "true").CombinedOutput(); err == nil {
		o := start(t, "unshare", "-mpf", h.program)
		o.expect("in namespaces", oldValue)
		herd = append(herd, o)
	} else {
		t.Logf("without namespaces: %v, %s", err, out)
	}
	stranger := other.start(t)
	u := h.update(t, herd[0].cmd.Process.Pid)
	if err := os.Rename(other.library, h.library); err != nil { // as an upgrade does
		t.Fatal(err)
	}
	opt := Options{Process: process.Options{DryRun: true}}
	r, err := Apply(t.Context(), u, opt)
	if err != nil || r.Count(Ready) < len(herd) || r.Count(Refused)+r.Count(Failed) > 0 {
		t.Fatalf("plan: %v, %s", err, outcomes(r))
	}
	all := func(when, want string) {
		t.Helper()
		for _, o := range herd {
			o.expect(when, want)
		}
		stranger.expect(when, oldValue)
	}
	all("planned", oldValue)
	r, err = Apply(t.Context(), u, Options{})
	if err != nil || !r.Settled || r.Count(Applied) < len(herd) || r.Count(Refused)+r.Count(Failed) > 0 {
		t.Fatalf("apply: %v, %+v", err, r)
	}
	all("applied", newValue)
	r, err = Apply(t.Context(), u, Options{})
	if err != nil || r.Count(Applied) != 0 || r.Count(Already) < len(herd) || r.Count(OtherCopy) != 1 {
		t.Errorf("again: %v, %s", err, outcomes(r))
	}
	r, err = Verify(t.Context(), u, Options{})
	if err != nil || r.Count(Proven) < len(herd) || r.Count(Differs)+r.Count(NotApplied)+r.Count(Refused) > 0 {
		t.Errorf("verify: %v, %+v", err, r)
	}
	r, err = Status(t.Context(), Options{})
	if err != nil || r.Count(Holds) < len(herd) {
		t.Errorf("status: %v, %s", err, outcomes(r))
	}
	r, err = Revert(t.Context(), u.ID()[:12], Options{})
	if err != nil || r.Count(Reverted) < len(herd) || r.Count(Refused)+r.Count(Failed) > 0 {
		t.Errorf("revert: %v, %+v", err, r)
	}
	all("reverted", oldValue)
	if r, err := Revert(t.Context(), u.ID(), Options{}); err != nil || len(r.Processes) > 0 {
		t.Errorf("nothing to revert: %v, %s", err, outcomes(r))
	}
}

// TestSelected applies an update to one process of two.
func TestSelected(t *testing.T) {
	h := newHerd(t)
	a, b := h.start(t), h.start(t)
	u := h.update(t, a.cmd.Process.Pid)
	only := Options{Select: Selection{PIDs: []int{a.cmd.Process.Pid, os.Getppid()}}}
	r, err := Apply(t.Context(), u, only)
	if got := outcomes(r); err != nil || got != "1 applied, 1 refused, 1 left-out" {
		t.Errorf("%v, %s", err, got)
	}
	a.expect("selected", newValue)
	b.expect("not selected", oldValue)
	if r.Fine() { // the test's parent maps nothing of it
		t.Error("all is fine")
	}
}

// TestVerify has memory of the update changed, and a process that has none of it.
func TestVerify(t *testing.T) {
	h := newHerd(t)
	a, b := h.start(t), h.start(t)
	u := h.update(t, a.cmd.Process.Pid)
	if _, err := Apply(t.Context(), u, Options{Select: Selection{PIDs: []int{a.cmd.Process.Pid}}}); err != nil {
		t.Fatal(err)
	}
	verify := func(want string) {
		t.Helper()
		r, err := Verify(t.Context(), u, Options{})
		if got := outcomes(r); err != nil || got != want {
			t.Errorf("%v, %s, not %s: %+v", err, got, want, r.Processes)
		}
	}
	verify("1 proven, 1 not-applied")
	held, err := process.Status(t.Context(), a.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := procfs.OpenMem(a.cmd.Process.Pid, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	code := make([]byte, 1)
	at := held[0].Redirects[0].New
	for _, want := range []string{"1 not-applied, 1 differs", "1 proven, 1 not-applied"} { // there and back
		if _, err := mem.ReadAddr(code, at); err != nil {
			t.Fatal(err)
		}
		code[0] ^= 1
		if _, err := mem.WriteAddr(code, at); err != nil {
			t.Fatal(err)
		}
		verify(want)
	}
	b.expect("not selected", oldValue)
}

// TestRestless has processes that a scan finds with old code: new ones, treated ones that have
// executed something since, and one that does so all the time.
func TestRestless(t *testing.T) {
	p := &seen{id: procfs.ID{PID: 7}, selected: true, maps: true, old: true}
	for _, c := range []struct {
		name    string
		before  Outcome // "" when it was not treated
		tries   int
		treated bool
		want    Outcome
	}{
		{"new", "", 0, true, ""},
		{"executed something", Applied, 1, true, Applied},
		{"all the time", Applied, triesEach, false, Refused},
		{"refused", Refused, triesEach, false, Refused},
		{"refused once", Refused, 1, false, Refused},
	} {
		r, err := newRun("apply", nil, &Options{})
		if err != nil {
			t.Fatal(err)
		}
		r.wants = wantsOld(false)
		if c.before != "" {
			r.note(p, p.process(c.before, ""))
		}
		r.tries[p.id] = c.tries
		todo := r.choose([]*seen{p})
		if treated := len(todo) == 1; treated != c.treated || c.want != "" && r.done[p.id].Outcome != c.want {
			t.Errorf("%s: treated %v, %+v", c.name, treated, r.done[p.id])
		}
	}
}

// TestEnded takes whatever went wrong with a process that has ended for its end.
func TestEnded(t *testing.T) {
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := procfs.Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p := &seen{id: id}
	if got := refusedBy(p, io.ErrUnexpectedEOF).Outcome; got != Failed {
		t.Errorf("runs: %s", got)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if got := refusedBy(p, io.ErrUnexpectedEOF).Outcome; got != Gone {
		t.Errorf("has ended: %s", got)
	}
}
