//go:build linux && amd64

package machine

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// What the herd answers with the old and with the new code.
const (
	oldValue = "101"
	newValue = "201"
)

// herd is a program with a library in a folder of its own, so that no process of the machine but
// those of the test has these build-ids.
type herd struct{ dir, program, library, pre, post string }

func gcc(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

var herds int64

// newHerd builds one.
func newHerd(t testing.TB) *herd {
	t.Helper()
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	herds++
	h := &herd{dir, filepath.Join(dir, "herd"), filepath.Join(dir, "libvalue.so.1"), filepath.Join(dir, "pre.o"), filepath.Join(dir, "post.o")}
	gcc(t, "-O2", "-fPIC", "-c", "-o", h.pre, "testdata/value.c")
	gcc(t, "-O2", "-fPIC", "-DPATCHED", "-c", "-o", h.post, "testdata/value.c")
	gcc(t, "-shared", "-Wl,--build-id=0x"+fmt.Sprintf("%032x%08x", time.Now().UnixNano(), herds), "-Wl,-soname,libvalue.so.1", "-o", h.library, h.pre)
	gcc(t, "-O2", "-o", h.program, "testdata/herd.c", h.library, "-Wl,-rpath,"+dir)
	return h
}

// alone is a herd of one program, without a library.
func (h *herd) alone(t testing.TB, how string) *herd {
	t.Helper()
	s := &herd{dir: h.dir, program: filepath.Join(h.dir, "alone"+how), pre: filepath.Join(h.dir, "pre"+how+".o"), post: filepath.Join(h.dir, "post"+how+".o")}
	form := "-fPIE"
	if how != "-static-pie" {
		form = "-fno-pie"
	}
	gcc(t, "-O2", form, "-c", "-o", s.pre, "testdata/value.c")
	gcc(t, "-O2", form, "-DPATCHED", "-c", "-o", s.post, "testdata/value.c")
	herds++
	gcc(t, "-O2", form, how, "-Wl,--build-id=0x"+fmt.Sprintf("%032x%08x", time.Now().UnixNano(), herds), "-o", s.program, "testdata/herd.c", s.pre)
	return s
}

// one is a process of a herd.
type one struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a command that is, or becomes, the program of the herd.
func start(t testing.TB, args ...string) *one {
	t.Helper()
	o := &one{t: t, cmd: exec.Command(args[0], args[1:]...)}
	o.cmd.Stderr = os.Stderr
	var err error
	if o.in, err = o.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	o.out = bufio.NewReader(out)
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.end)
	return o
}

func (o *one) end() {
	o.in.Close() // ends it, also in another PID namespace
	o.cmd.Wait()
}

func (h *herd) start(t testing.TB, args ...string) *one {
	o := start(t, append([]string{h.program}, args...)...)
	o.expect("started", oldValue)
	return o
}

// ask returns the answer to a line.
func (o *one) ask(line string) string {
	o.t.Helper()
	if _, err := fmt.Fprintln(o.in, line); err != nil {
		o.t.Fatal(err)
	}
	answer, err := o.out.ReadString('\n')
	if err != nil {
		o.t.Fatalf("process %d: %v", o.cmd.Process.Pid, err)
	}
	return strings.TrimSpace(answer)
}

func (o *one) expect(when, want string) {
	o.t.Helper()
	if got := o.ask("?"); got != want {
		o.t.Errorf("%s: process %d answers %s, not %s", when, o.cmd.Process.Pid, got, want)
	}
}

// update makes the update by one of its processes.
func (h *herd) update(t testing.TB, pid int) *splice.Update {
	t.Helper()
	pre, err1 := elfdiff.Open(h.pre)
	post, err2 := elfdiff.Open(h.post)
	img, err3 := image.OpenProcess(pid)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	defer img.Close()
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := reloc.Match(t.Context(), pre, img, reloc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	u, err := splice.Build("value", splice.Part{Diff: d, Match: m, Image: img})
	if err != nil {
		t.Fatal(err)
	}
	return u
}
