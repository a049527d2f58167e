//go:build linux

package running

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
	"github.com/gosplice/gosplice/splice/module/internal/kofile/kofiletest"
)

// task has the files of a task.
func (f *fake) task(pid, tid int, comm, state string, kernel bool, patched int, stack ...string) {
	dir, flags := fmt.Sprintf("proc/%d/task/%d/", pid, tid), 0
	if kernel {
		flags = 0x00200000
	}
	f.write(dir+"stat", fmt.Sprintf("%d (%s) %s 1 1 1 0 -1 %d 0\n", tid, comm, state, flags))
	f.write(dir+"patch_state", fmt.Sprintln(patched))
	text := ""
	for _, s := range stack {
		text += "[<0>] " + s + "\n"
	}
	f.write(dir+"stack", text)
}

// TestLook looks at a transition twice, and then on its way back.
func TestLook(t *testing.T) {
	f, k := newFake(t)
	f.add("fix", 1)
	f.task(1, 1, "init", "S", false, 1, "do_wait+0x1/0x2")
	f.task(20, 21, "a) b", "S", false, 0, "pipe_wait+0x1/0x2", "cmdline_proc_show+0x1/0x2", "vfs_read+0x1/0x2")
	f.task(20, 20, "waits", "D", false, 0, "cmdline_proc_show+0x1/0x2 [other]")
	f.task(5, 5, "kthread", "S", true, 0, "cmdline_proc_show+0x1/0x2")
	f.task(6, 6, "kbusy", "R", true, 0)
	f.task(7, 7, "new", "S", false, -1)
	f.write("proc/8/task/8/patch_state", "0\n") // it ends while it is looked at
	w := k.Watch("fix")
	first, err := w.Look(t.Context())
	if err != nil || !first.On || first.Back || first.Done != 1 || first.Total != 5 || first.Unknown != "" {
		t.Fatalf("%+v, %v", first, err)
	}
	want := []struct {
		tid                 int
		function, why, help string
	}{
		{5, "cmdline_proc_show", "it is in cmdline_proc_show", "loops"}, {6, "", "it runs", "less to do"},
		{20, "", "none of the functions", "no signal"}, {21, "cmdline_proc_show", "it is in", "signal"},
	}
	for i, b := range first.Blockers {
		if x := want[i]; b.TID != x.tid || b.Function != x.function || !strings.Contains(b.Why, x.why) || !strings.Contains(b.Help, x.help) || b.Since.IsZero() {
			t.Errorf("%+v, want %+v", b, x)
		}
	}
	if s := first.String(); !strings.Contains(s, "1 of 5 tasks; kthread (5)") || !strings.Contains(s, "and 1 more") {
		t.Error(s)
	}
	f.task(1, 1, "init", "S", false, 0, "cmdline_proc_show+0x1/0x2")
	second, err := w.Look(t.Context())
	if err != nil || len(second.Blockers) != 5 || !second.Blockers[1].Since.Equal(first.Blockers[0].Since) || !second.Blockers[0].Since.After(first.Blockers[0].Since) || !second.Began.Equal(first.Began) {
		t.Errorf("%+v, %v", second, err)
	}
	f.write(livepatch+"/fix/enabled", "0\n")
	f.task(1, 1, "init", "S", false, 1, "new_show+0x1/0x2 [fix]", "vfs_read+0x1/0x2")
	back, err := w.Look(t.Context())
	if err != nil || !back.Back || len(back.Blockers) != 1 || back.Blockers[0].Function != "new_show" || back.Blockers[0].Module != "fix" || back.Done != 5 {
		t.Errorf("%+v, %v", back, err)
	}
	os.RemoveAll(filepath.Join(f.root, "proc"))
	if none, err := w.Look(t.Context()); err != nil || none.Unknown == "" || !strings.Contains(none.String(), "can't be told") {
		t.Errorf("%+v, %v", none, err)
	}
	os.RemoveAll(filepath.Join(f.root, livepatch, "fix"))
	if gone, err := w.Look(t.Context()); err != nil || gone.On || gone.Blockers == nil {
		t.Errorf("%+v, %v", gone, err)
	}
}

func plain(t *testing.T, name string) *File {
	t.Helper()
	b, err := kofiletest.Plain(name, kofile.Patch{Objects: []kofile.Object{{Functions: []kofile.Function{{Name: "cmdline_proc_show"}}}}}, "depends=a,b", "vermagic=6.1.0 SMP ")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(strings.NewReader(string(b)))
	if err != nil || f.Module != nil || f.ID() != "" || !slices.Equal(f.Depends, []string{"a", "b"}) || f.Magic != "6.1.0 SMP " || f.Signed {
		t.Fatalf("%+v, %v", f, err)
	}
	return f
}

// TestLoad loads a livepatch of others: over, stuck and taken back, stuck and left.
func TestLoad(t *testing.T) {
	file := plain(t, "fix")
	_, k := newFake(t)
	var told []*Transition
	r, err := k.Load(t.Context(), file, Options{Progress: func(x *Transition) { told = append(told, x) }})
	if err != nil || r.State != splice.Applied || len(told) == 0 || told[len(told)-1].On {
		t.Errorf("%+v, %v, told %v", r, err, told)
	}
	if _, err := k.Load(t.Context(), file, Options{}); !errors.Is(err, splice.CodeApplied) {
		t.Error(err)
	}
	for _, stay := range []bool{false, true} {
		f, k := newFake(t)
		f.stuck = true
		f.task(1, 1, "init", "S", false, 0, "cmdline_proc_show+0x1/0x2")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := k.Load(ctx, file, Options{Stay: stay})
		cancel()
		var stuck *StuckError
		if !errors.As(err, &stuck) || !errors.Is(err, context.DeadlineExceeded) || len(stuck.Transition.Blockers) != 1 || len(f.unloaded) == 1 == stay || !strings.Contains(err.Error(), "init (1)") {
			t.Errorf("stay %v: %v, unloaded %v", stay, err, f.unloaded)
		}
		if list, err := k.All(t.Context()); err != nil || (len(list) == 1) != stay || stay && list[0].State != splice.Transition {
			t.Errorf("stay %v: %+v, %v", stay, list, err)
		}
	}
}

// TestDisable is stuck on the way back: the livepatch is enabled again, or left.
func TestDisable(t *testing.T) {
	for _, stay := range []bool{false, true} {
		f, k := newFake(t)
		f.add("fix", 1)
		f.task(1, 1, "init", "S", false, 1, "new_show+0x1/0x2 [fix]")
		enabled := filepath.Join(f.root, livepatch, "fix", "enabled")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		var back sync.WaitGroup
		done := make(chan struct{})
		back.Go(func() { // a transition back to where it was ends at once
			<-ctx.Done()
			for {
				if b, _ := os.ReadFile(enabled); string(b) == "1" {
					os.WriteFile(filepath.Join(f.root, livepatch, "fix", "transition"), []byte("0\n"), 0o666)
				}
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
		err := k.Disable(ctx, "fix", Options{Stay: stay})
		cancel()
		b, _ := os.ReadFile(enabled)
		close(done)
		back.Wait()
		want := map[bool]string{false: "1", true: "0"}[stay]
		if !errors.Is(err, context.DeadlineExceeded) || string(b) != want || strings.Contains(err.Error(), "enabled again") == stay {
			t.Errorf("stay %v: %v, enabled %s", stay, err, b)
		}
	}
	f, k := newFake(t)
	f.add("fix", 1)
	f.begin("fix")
	if err := k.Unload(t.Context(), "fix"); !errors.Is(err, CodeEnabled) {
		t.Error(err)
	}
	if err := errors.Join(k.Wait(t.Context(), "fix", Options{}), k.Disable(t.Context(), "0101", Options{}), k.Unload(t.Context(), "fix")); err != nil {
		t.Error(err)
	}
	if err := k.Disable(t.Context(), "fix", Options{}); !errors.Is(err, splice.CodeNotApplied) {
		t.Error(err)
	}
}

// TestReadFile refuses what is no livepatch.
func TestReadFile(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "text": "no module", "no name": string(fileOf(t, "")), "a path": string(fileOf(t, "../x")), "blank": string(fileOf(t, "a b")), "long": string(fileOf(t, strings.Repeat("a", 56)))} {
		if f, err := ReadFile(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if _, err := ReadFile(strings.NewReader(string(fileOf(t, "")))); !errors.Is(err, module.ErrNotModule) {
		t.Error(err)
	}
	if f, err := ReadFile(strings.NewReader(string(fileOf(t, "some-name")))); err != nil || f.Name != "some-name" {
		t.Error(f, err)
	}
}

func fileOf(t *testing.T, name string) []byte {
	t.Helper()
	b, err := kofiletest.Plain(name, kofile.Patch{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzReadFile(f *testing.F) {
	b, err := kofiletest.Plain("fix", kofile.Patch{Objects: []kofile.Object{{Functions: []kofile.Function{{Name: "x"}}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if f, err := ReadFile(strings.NewReader(string(b))); err == nil && !isName(f.Name) {
			t.Error(f.Name)
		}
	})
}

func TestMessage(t *testing.T) {
	for record, want := range map[string]string{
		"6,339,5140900,-;NET: Registered\n SUBSYSTEM=x\n":          "NET: Registered",
		"12,1,2,-;a program speaks\n":                              "",
		"nonsense":                                                 "",
		"4,1,2,-;fix: loading out-of-tree module taints kernel.\n": "",
		"": "",
	} {
		if got := message(record); got != want {
			t.Errorf("%q: %q, want %q", record, got, want)
		}
	}
}
