//go:build linux

package running

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gosplice/gosplice/splice"
)

const preemptible = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.0\n"

// TestQuiet disables livepatches while a thread of the kernel is not asleep.
func TestQuiet(t *testing.T) {
	for _, c := range []struct {
		name, version, state, slept string
		kernel, sleeps, ftrace      bool
		want                        splice.Code
	}{
		{"runs", preemptible, "R", "7", true, false, true, CodeBusyThread},
		{"sleeps for a moment", preemptible, "R", "7", true, true, true, ""},
		{"asleep", preemptible, "S", "7", true, false, true, ""},
		{"of a program", preemptible, "R", "7", false, false, true, ""},
		{"nobody waits", "#1 SMP Debian 6.1.0\n", "R", "7", true, false, true, ""},
		{"jumps only", preemptible, "R", "7", true, false, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, k := newFake(t)
			f.add("fix", 1)
			f.write(livepatch+"/fix/transition", "0\n")
			if !c.ftrace {
				os.RemoveAll(filepath.Join(f.root, livepatch, "fix/vmlinux"))
			}
			f.write("proc/sys/kernel/version", c.version)
			f.task(9, 9, "spinner", c.state, c.kernel, -1)
			status := "proc/9/task/9/status"
			f.write(status, "voluntary_ctxt_switches:\t"+c.slept+"\nnonvoluntary_ctxt_switches:\t1000\n")
			limit := 10 * time.Second
			switch {
			case c.sleeps:
				time.AfterFunc(100*time.Millisecond, func() { f.write(status, "voluntary_ctxt_switches:\t8\n") })
			case c.want != "":
				limit = 400 * time.Millisecond
			}
			f.begin("fix")
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err := k.Disable(ctx, "fix", Options{})
			enabled := k.read(livepatch, "fix", "enabled")
			switch {
			case c.want == "" && (err != nil || enabled != ""):
				t.Errorf("%v, enabled %q", err, enabled)
			case c.want != "" && (!errors.Is(err, c.want) || !errors.Is(err, context.DeadlineExceeded) || enabled != "1"):
				t.Errorf("%v, enabled %q", err, enabled)
			}
		})
	}
}

// TestTracerOff asks nothing of a kernel whose function tracer is switched off: these files may need it.
func TestTracerOff(t *testing.T) {
	for value, want := range map[string]error{"0\n": CodeTracingOff, "1\n": nil} {
		f, k := newFake(t)
		f.write(TracerSwitch, value)
		if _, err := k.Load(t.Context(), &File{Name: "fix"}, Options{}); !errors.Is(err, want) || (len(f.loads) > 0) != (want == nil) {
			t.Errorf("%q: %v, %v are loaded", value, err, f.loads)
		}
	}
}

// TestQuietReplace loads a livepatch that may take the place of another one while a thread of the kernel runs.
func TestQuietReplace(t *testing.T) {
	f, k := newFake(t)
	f.write("proc/sys/kernel/version", preemptible)
	f.task(9, 9, "spinner", "R", true, -1)
	f.write("proc/9/task/9/status", "voluntary_ctxt_switches:\t7\n")
	f.add("earlier", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	if _, err := k.Load(ctx, &File{Name: "fix"}, Options{}); !errors.Is(err, CodeBusyThread) || len(f.loads) != 1 {
		t.Errorf("%v, %v are loaded", err, f.loads)
	}
}
