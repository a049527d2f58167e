//go:build linux

package running

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// fake is a kernel made of files. loading is what happens to them when a module is loaded.
type fake struct {
	t        *testing.T
	root     string
	refuse   error // what load answers
	stuck    bool  // tasks never leave the old code
	pinned   bool
	ending   string   // what is logged when a transition back ends
	loads    []string // the names in the order in which they were loaded
	unloaded []string

	over    atomic.Bool // the test ends
	running sync.WaitGroup
}

func newFake(t *testing.T) (*fake, *Kernel) {
	f := &fake{t: t, root: t.TempDir()}
	t.Cleanup(func() { f.over.Store(true); f.running.Wait() })
	f.write("sys/kernel/notes", "\x04\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00Xen\x00other...\x04\x00\x00\x00\x03\x00\x00\x00\x03\x00\x00\x00GNU\x00\x01\x02\x03")
	f.write("proc/modules", "")
	if err := os.MkdirAll(filepath.Join(f.root, livepatch), 0o777); err != nil {
		t.Fatal(err)
	}
	return f, &Kernel{Root: f.root, Poll: time.Millisecond, calls: f}
}

func (f *fake) write(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) load([]byte) error {
	if f.refuse != nil {
		return fmt.Errorf("finit_module: %w", f.refuse)
	}
	f.add("fix", 0xab)
	f.begin("fix")
	return nil
}

// add has the files of a module.
func (f *fake) add(name string, id byte) {
	f.loads = append([]string{name}, f.loads...)
	text := ""
	for i, n := range f.loads {
		text += fmt.Sprintf("%s 8192 1 - Live 0xffffffffc%07x (OEK)\n", n, i*0x10000)
	}
	f.write("proc/modules", text+"other 16384 0 - Live 0xffffffffd0000000\n")
	f.write("sys/module/"+name+"/notes/"+kernelNote, "")
	f.write("sys/module/"+name+"/notes/"+buildIDNote, "\x04\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00"+string([]byte{id})+"\x01")
	f.write("sys/module/"+name+"/refcnt", "0\n")
	f.write(livepatch+"/"+name+"/enabled", "1\n")
	f.write(livepatch+"/"+name+"/transition", "1\n")
	f.write(livepatch+"/"+name+"/vmlinux/cmdline_proc_show,1/x", "")
}

// log adds to the kernel's log, from which a read gives all that is there.
func (f *fake) log(text string) {
	log, err := os.OpenFile(filepath.Join(f.root, "dev/kmsg"), os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = log.WriteString(text)
		log.Close()
	}
	if err != nil {
		f.t.Error(err)
	}
}

// begin begins a transition.
func (f *fake) begin(name string) { f.running.Go(func() { f.transition(name) }) }

// transition is livepatch: it ends a while after the switch was turned.
func (f *fake) transition(name string) {
	dir := filepath.Join(f.root, livepatch, name)
	for !f.over.Load() {
		time.Sleep(3 * time.Millisecond)
		b, err := os.ReadFile(filepath.Join(dir, "enabled"))
		switch {
		case err != nil:
			return
		case string(b) == "0":
			if f.ending != "" {
				f.log(f.ending)
			}
			os.RemoveAll(dir)
			return
		case !f.stuck:
			os.WriteFile(filepath.Join(dir, "transition"), []byte("0\n"), 0o666)
		}
	}
}

func (f *fake) unload(name string) error {
	if f.pinned {
		return fmt.Errorf("delete_module: %w", syscall.EBUSY)
	}
	f.unloaded = append(f.unloaded, name)
	return os.RemoveAll(filepath.Join(f.root, "sys/module", name))
}

var fix = &module.Module{Name: "fix", ID: "ab01", Kernel: "010203", Functions: []module.Function{{Name: "cmdline_proc_show", Method: module.MethodFtrace}, {Name: "vlan_seq_show", Module: "8021q", Method: module.MethodJump}}}

func TestApply(t *testing.T) {
	f, k := newFake(t)
	ctx := t.Context()
	r, err := k.Apply(ctx, fix)
	if err != nil {
		t.Fatal(err)
	}
	want := &splice.Report{Schema: 1, Name: "fix", ID: "ab01", State: splice.Applied, Start: 0xffffffffc0000000, End: 0xffffffffc0002000, Redirects: []splice.Redirected{
		{Function: "cmdline_proc_show", Module: "vmlinux", Trampoline: "ftrace"}, {Function: "vlan_seq_show", Module: "8021q", Trampoline: "jump"},
	}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	list, err := k.Status(ctx)
	want.Redirects = want.Redirects[:1]
	if diff := cmp.Diff([]splice.Report{*want}, list); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if _, err := k.Apply(ctx, fix); !errors.Is(err, splice.CodeApplied) || !errors.Is(err, splice.ErrRefused) {
		t.Error(err)
	}
	if r, err = k.Revert(ctx, "ab01"); err != nil || r.State != "" || r.Kept != "" || len(f.unloaded) != 1 {
		t.Errorf("%+v %v", r, err)
	}
	if list, err := k.Status(ctx); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := k.Revert(ctx, ""); !errors.Is(err, splice.CodeNotApplied) {
		t.Error(err)
	}
}

// TestRevertOrder reverts the one that was loaded last, then one by its ID.
func TestRevertOrder(t *testing.T) {
	f, k := newFake(t)
	for i, name := range []string{"one", "two", "three"} {
		f.add(name, byte(i))
		f.begin(name)
	}
	for _, want := range []struct{ id, name string }{{"", "three"}, {"0001", "one"}, {"", "two"}} {
		if r, err := k.Revert(t.Context(), want.id); err != nil || r.Name != want.name {
			t.Errorf("%+v %v, want %s", r, err, want.name)
		}
	}
}

// TestPinned stays loaded, which is no error.
func TestPinned(t *testing.T) {
	f, k := newFake(t)
	f.pinned = true
	if _, err := k.Apply(t.Context(), fix); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := k.Revert(t.Context(), "")
		if err != nil || r.State != splice.Kept || r.Kept == "" {
			t.Errorf("%+v %v", r, err)
		}
	}
	if list, err := k.Status(t.Context()); err != nil || len(list) != 1 || list[0].State != splice.Kept {
		t.Errorf("%+v %v", list, err)
	}
}

// TestLeft has somebody else change what a jump has written: the module says so in the log, and
// the livepatch is not called disabled.
func TestLeft(t *testing.T) {
	source, err := os.ReadFile("../internal/kcode/src/jump.c")
	if err != nil || !strings.Contains(string(source), "%s"+changedSince+"%s"+staysAsItIs) {
		t.Errorf("the module says it in other words: %v", err)
	}
	const end = changedSince + "show" + staysAsItIs + "\n"
	for line, want := range map[string]bool{
		"3,1,2,-;fix" + end: true, "3,1,2,-;other" + end: false, "11,1,2,-;fix" + end: false,
		"4,1,2,-;fix: its new code is in use by sleeper (7); this module has to stay loaded\n": false,
	} {
		f, k := newFake(t)
		f.write("dev/kmsg", "before\n")
		f.write("sys/kernel/debug/kprobes/list", "ffffffff81000000  k  show+0x0    [OPTIMIZED]\nffffffff81000010  k  shows+0x0    \n")
		f.add("fix", 0xab)
		f.ending = line
		f.begin("fix")
		err := k.Disable(t.Context(), "fix", Options{})
		if errors.Is(err, splice.CodeChanged) != want || want && !strings.Contains(err.Error(), "(kprobe at show+0x0)") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestInside does not remove a module that a task is in.
func TestInside(t *testing.T) {
	f, k := newFake(t)
	f.add("fix", 0xab)
	f.begin("fix")
	f.write("proc/7/task/7/stat", "7 (slee) per) S 1 1 1 0 -1 0 0\n")
	f.write("proc/7/task/7/stack", "[<0>] schedule+0x1/0x2\n[<0>] read_pipe+0x1/0x2 [fix]\n")
	if err := k.Disable(t.Context(), "fix", Options{}); err != nil {
		t.Fatal(err)
	}
	err := k.Unload(t.Context(), "fix")
	if !errors.Is(err, splice.CodeBusy) || !strings.Contains(err.Error(), "slee) per (7) in read_pipe") || len(f.unloaded) > 0 {
		t.Errorf("%v, %v", err, f.unloaded)
	}
	f.write("proc/7/task/7/stack", "[<0>] read_pipe+0x1/0x2\n")
	if err := k.Unload(t.Context(), "fix"); err != nil || len(f.unloaded) != 1 {
		t.Errorf("%v, %v", err, f.unloaded)
	}
}

// TestStuck gives up, and takes the module back.
func TestStuck(t *testing.T) {
	f, k := newFake(t)
	f.stuck = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := k.Apply(ctx, fix); !errors.Is(err, context.DeadlineExceeded) || len(f.unloaded) != 1 {
		t.Errorf("%v, %v", err, f.unloaded)
	}
}

func TestRefused(t *testing.T) {
	other := *fix
	other.Kernel = "ff"
	tests := []struct {
		name   string
		m      *module.Module
		answer error
		want   error
	}{
		{"another kernel", &other, nil, module.CodeOtherBuild},
		{"permission", fix, syscall.EPERM, splice.CodePermission},
		{"signature", fix, syscall.EKEYREJECTED, CodeSignature},
		{"run differs", fix, syscall.EINVAL, splice.CodeChanged},
		{"busy", fix, syscall.EBUSY, splice.CodeBusy},
		{"exists", fix, syscall.EEXIST, splice.CodeApplied},
		{"format", fix, syscall.ENOEXEC, module.CodeOtherBuild},
		{"unknown", fix, syscall.EIO, syscall.EIO},
	}
	for _, tt := range tests {
		f, k := newFake(t)
		f.refuse = tt.answer
		_, err := k.Apply(t.Context(), tt.m)
		var r *splice.Refusal
		if !errors.Is(err, tt.want) || tt.answer != nil && !errors.Is(err, tt.answer) || errors.As(err, &r) && r.Hint == "" {
			t.Errorf("%s: %v", tt.name, err)
		}
		if list, err := k.Status(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%s: %v %v", tt.name, list, err)
		}
	}
	_, k := newFake(t)
	if err := os.RemoveAll(filepath.Join(k.Root, livepatch)); err != nil {
		t.Fatal(err)
	}
	var r *splice.Refusal
	if _, err := k.Plan(t.Context(), fix); !errors.Is(err, module.CodeKernel) || !errors.As(err, &r) || r.Hint == "" {
		t.Error(err)
	}
}

func FuzzNoteID(f *testing.F) {
	f.Add([]byte("\x04\x00\x00\x00\x03\x00\x00\x00\x03\x00\x00\x00GNU\x00\x01\x02\x03"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\x03\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id := noteID(b); len(id) > 2*len(b) {
			t.Error(id)
		}
	})
}
