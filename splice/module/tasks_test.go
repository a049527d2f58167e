package module

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/calls"
)

// machine makes the files of one with a kernel's build-id.
func machine(id string, tasks ...[3]string) fstest.MapFS {
	root := fstest.MapFS{"sys/kernel/notes": {Data: []byte("\x04\x00\x00\x00GNU\x00" + id)}, "proc/self/stat": {}, "proc/uptime": {}}
	for _, t := range tasks {
		dir := "proc/" + t[0] + "/task/" + t[0]
		root[dir+"/stat"] = &fstest.MapFile{Data: []byte(t[1])}
		root[dir+"/stack"] = &fstest.MapFile{Data: []byte(t[2])}
	}
	return root
}

var (
	compacts = [3]string{"34", "34 (kcompactd0) S 2 0 0 0 -1 2129984 0 0", "[<0>] kcompactd+0x2a5/0x4d0\n[<0>] kthread+0xe6/0x110\n[<0>] ret_from_fork+0x1f/0x30\n"}
	odd      = [3]string{"7", "7 (a) (b) c) S 1 7 7 0 -1 4194560 0 0", "[<0>] pipe_read+0x1/0x2\n[<0>] lo_read+0x12/0x40 [loop]\nnonsense\n[<0>]\n"}
	damaged  = [3]string{"8", "8 (x", "[<0>] f+0x1/0x2\n"}
)

// changing is a machine whose task 7 is elsewhere the second time.
type changing struct {
	fstest.MapFS
	reads *int
}

func (c changing) ReadFile(name string) ([]byte, error) {
	if name == "proc/7/task/7/stack" {
		if *c.reads++; *c.reads > 1 {
			return []byte("[<0>] lo_read+0x12/0x40 [loop]\n"), nil
		}
	}
	return c.MapFS.ReadFile(name)
}

type forbidden struct{ fstest.MapFS }

func (f forbidden) ReadFile(name string) ([]byte, error) {
	if name == "proc/34/task/34/stack" {
		return nil, fs.ErrPermission
	}
	return f.MapFS.ReadFile(name)
}

func TestReadTasks(t *testing.T) {
	k := &Kernel{id: []byte("0123456789abcdef0123")}
	root := machine(string(k.id), compacts, odd, damaged)
	tasks, err := k.ReadTasks(t.Context(), root, 1, 0)
	if err != nil || tasks.Len() != 2 {
		t.Fatalf("%+v %v", tasks, err)
	}
	if got := fmt.Sprint(tasks.In("kcompactd", ""), tasks.In("pipe_read", ""), tasks.In("lo_read", "loop"), tasks.In("lo_read", ""), tasks.In("f", "")); got !=
		"[{34 kcompactd0 true}] [{7 a) (b) c false}] [{7 a) (b) c false}] [] []" {
		t.Error(got)
	}
	n := 0
	tasks, err = k.ReadTasks(t.Context(), changing{root, &n}, 3, time.Nanosecond)
	if err != nil || len(tasks.In("pipe_read", "")) != 0 || len(tasks.In("lo_read", "loop")) != 1 || len(tasks.In("kthread", "")) != 1 {
		t.Errorf("%+v %v", tasks, err)
	}
	if _, err := k.ReadTasks(t.Context(), forbidden{root}, 1, 0); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("forbidden: %v", err)
	}
	if _, err := k.ReadTasks(t.Context(), machine("another"), 1, 0); !errors.Is(err, splice.ErrRefused) {
		t.Errorf("another build: %v", err)
	}
	if _, err := k.ReadTasks(t.Context(), fstest.MapFS{}, 1, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no files: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.ReadTasks(ctx, root, 2, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestInUse has functions with tasks in them, and without.
func TestInUse(t *testing.T) {
	k := &Kernel{id: []byte("id")}
	tasks, err := k.ReadTasks(t.Context(), machine("id", compacts, odd), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	loop, always := calls.Stay{Code: elfdiff.CodeThreadLoop, Why: "a loop"}, calls.Stay{Code: elfdiff.CodeSleepingStack, Why: "always"}
	for _, c := range []struct {
		f      Function
		known  calls.Stay
		code   elfdiff.Code
		judged bool
	}{
		{Function{Name: "kcompactd"}, loop, elfdiff.CodeThreadLoop, true},
		{Function{Name: "kcompactd"}, calls.Stay{}, elfdiff.CodeSleepingStack, true},
		{Function{Name: "khugepaged"}, loop, elfdiff.CodeThreadLoop, false},
		{Function{Name: "schedule"}, always, elfdiff.CodeSleepingStack, true},
		{Function{Name: "pipe_read"}, calls.Stay{}, elfdiff.CodeSleepingStack, false},
		{Function{Name: "pipe_read", Method: MethodJump}, calls.Stay{}, elfdiff.CodeSleepingStack, true},
		{Function{Name: "lo_read", Module: "loop"}, calls.Stay{}, elfdiff.CodeSleepingStack, false},
		{Function{Name: "vfs_read"}, calls.Stay{}, "", false},
	} {
		b := &builder{opt: Options{Tasks: tasks}}
		b.inUse(&c.f, c.known)
		var found elfdiff.Finding
		var refused *elfdiff.RefusedError
		if errors.As(b.refused.err(), &refused) {
			found = refused.Refusals[0].Finding
		} else if len(b.found) > 0 {
			found = b.found[0]
		}
		if found.Code != c.code || (len(b.refused) > 0) != c.judged {
			t.Errorf("%s: %+v, want %s, judged %v", c.f.Name, found, c.code, c.judged)
		}
	}
}
