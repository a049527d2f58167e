//go:build linux && amd64

package process

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// A victim is a running program that answers requests.
type victim struct {
	t      testing.TB
	pid    int
	in     io.WriteCloser
	out    *bufio.Reader
	unpark *os.File // what park() reads
	parked *os.File // what it writes before
	cmd    *exec.Cmd
}

// start starts a victim.
func start(t testing.TB, path string, args ...string) *victim {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	parkRead, unpark, err1 := os.Pipe()
	parked, parkWrite, err2 := os.Pipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	cmd.ExtraFiles = []*os.File{parkRead, parkWrite}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	parkRead.Close()
	parkWrite.Close()
	v := &victim{t: t, pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out), unpark: unpark, parked: parked, cmd: cmd}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		unpark.Close()
		parked.Close()
	})
	return v
}

// ask returns the answer to a request. The victim has ten seconds.
func (v *victim) ask(n int) string {
	v.t.Helper()
	line, err := v.tryAsk(n)
	if err != nil {
		v.t.Fatalf("request %d: %v; status %q", n, err, statusOf(v.pid))
	}
	return line
}

func (v *victim) tryAsk(n int) (string, error) {
	watch := time.AfterFunc(10*time.Second, func() { v.cmd.Process.Kill() })
	defer watch.Stop()
	if _, err := fmt.Fprintf(v.in, "%d\n", n); err != nil {
		return "", err
	}
	line, err := v.out.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

func statusOf(pid int) string {
	st, err := procfs.ReadStat(pid)
	if err != nil {
		return err.Error()
	}
	return string(st.State)
}

// expect asks for all that "1:answer 2:answer" says, with "|" between.
func (v *victim) expect(when, list string) {
	v.t.Helper()
	for _, item := range strings.Split(list, "|") {
		n, want, _ := strings.Cut(strings.TrimSpace(item), ":")
		request, err := strconv.Atoi(n)
		if err != nil {
			v.t.Fatal(err)
		}
		if got := v.ask(request); got != want {
			v.t.Errorf("%s: request %d: %q, want %q", when, request, got, want)
		}
	}
}

// goPark sends a request that parks a thread, and waits until it is.
func (v *victim) goPark(n int) {
	v.t.Helper()
	if _, err := fmt.Fprintf(v.in, "%d\n", n); err != nil {
		v.t.Fatal(err)
	}
	v.waitParked()
}

func (v *victim) waitParked() {
	v.t.Helper()
	v.parked.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := v.parked.Read(make([]byte, 1)); err != nil {
		v.t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond) // from the write into the read
}

// updateFor makes the update from pre to post for a process.
func updateFor(pid int, pre, post string) (*splice.Update, error) {
	a, err := elfdiff.Open(pre)
	if err != nil {
		return nil, err
	}
	b, err := elfdiff.Open(post)
	if err != nil {
		return nil, err
	}
	d, err := elfdiff.Compare(a, b, elfdiff.Options{})
	if err != nil {
		return nil, err
	}
	img, err := image.OpenProcess(pid)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	m, err := reloc.Match(context.Background(), a, img, reloc.Options{})
	if err != nil {
		return nil, err
	}
	return splice.Build("test", splice.Part{Diff: d, Match: m, Image: img})
}

func (v *victim) update(b built) *splice.Update {
	v.t.Helper()
	u, err := updateFor(v.pid, b.pre, b.post)
	if err != nil {
		v.t.Fatal(err)
	}
	return u
}

func (v *victim) target() *Target { return &Target{PID: v.pid} }

func (v *victim) apply(u *splice.Update) *Report {
	v.t.Helper()
	r, err := v.target().Apply(context.Background(), u)
	if err != nil {
		v.t.Fatal(err)
	}
	return r
}

func (v *victim) revert() *Report {
	v.t.Helper()
	r, err := v.target().Revert(context.Background(), "")
	if err != nil {
		v.t.Fatal(err)
	}
	return r
}

// code returns the content of all executable mappings of files, by their
// addresses.
func (v *victim) code() map[uint64]string {
	v.t.Helper()
	maps, err := procfs.Maps(v.pid)
	if err != nil {
		v.t.Fatal(err)
	}
	mem, err := procfs.OpenMem(v.pid, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	defer mem.Close()
	out := map[uint64]string{}
	for _, m := range maps {
		if m.Perm&procfs.Exec == 0 || !m.IsFile() {
			continue
		}
		b := make([]byte, m.Len())
		if _, err := mem.ReadAddr(b, m.Start); err != nil {
			v.t.Fatal(err)
		}
		out[m.Start] = string(b)
	}
	return out
}

// layout returns the mappings, but for the heap, which may grow.
func (v *victim) layout() string {
	v.t.Helper()
	maps, err := procfs.Maps(v.pid)
	if err != nil {
		v.t.Fatal(err)
	}
	var b strings.Builder
	for i := range maps {
		if p := maps[i].Path; p != "[heap]" && p != "[stack]" {
			fmt.Fprintln(&b, &maps[i])
		}
	}
	return b.String()
}
