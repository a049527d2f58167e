//go:build linux && amd64

package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/reloc/image"
)

// TestLinking applies an update to a program whose dynamic linker waits for a library: it is waited for too, as long
// as that is not too long. Without that, the C library is missing.
func TestLinking(t *testing.T) {
	b := program(t, configNamed("O2-pie"), "constant")
	u := start(t, b.program, "1").update(b)
	for _, late := range []bool{true, false} {
		preload := filepath.Join(t.TempDir(), "fifo")
		if err := unix.Mkfifo(preload, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(b.program, "1")
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+preload) // the dynamic linker waits for a writer
		in, err := cmd.StdinPipe()                            // it ends with its input
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		for end := time.Now().Add(10 * time.Second); linkingOf(cmd.Process.Pid) != linkWorks && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if got := linkingOf(cmd.Process.Pid); got != linkWorks {
			t.Errorf("it is in state %d", got)
		}
		if late {
			time.AfterFunc(100*time.Millisecond, func() {
				if f, err := os.OpenFile(preload, os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
					f.Close() // an empty library is left out
				}
			})
		}
		_, err = Apply(context.Background(), cmd.Process.Pid, u, Options{})
		if late && err != nil {
			t.Error(err)
		}
		if !late {
			checkRefusal(t, err, CodeNotReady)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// TestExecutes looks at programs in the moment in which whoever started them learns that they run: the kernel may not
// have mapped them yet.
func TestExecutes(t *testing.T) {
	b := program(t, configNamed("O2-pie"), "constant")
	early := 0
	for n := 0; n < 300 && early < 50; n++ {
		cmd := exec.Command(b.program, "1")
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if aux, err := procfs.ReadAuxv(cmd.Process.Pid); err == nil && len(aux) == 0 {
			early++
		}
		var mods []image.Module
		if n%2 == 0 {
			mods, err = image.ProcessModules(cmd.Process.Pid)
		} else if v, failed := OpenView(t.Context(), cmd.Process.Pid); failed != nil {
			err = failed
		} else {
			mods = slices.Clone(v.Image().Modules())
			v.Close()
		}
		if err != nil || !slices.ContainsFunc(mods, func(m image.Module) bool { return m.Path == b.program }) {
			t.Errorf("start %d: it maps %v, %v", n, mods, err)
		}
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	}
	t.Logf("%d were seen before they were mapped", early)
}
