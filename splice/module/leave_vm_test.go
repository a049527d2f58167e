package module_test

import (
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// fifos has the function that opens a named pipe, which livepatch replaces, jump to a new one at
// its end, so that nothing of it is on the stack of who sleeps there.
var fifos = change("fs/pipe.c", "static int fifo_open(struct inode *inode, struct file *filp)\n{", `static noinline int fifo_open_in(struct inode *inode, struct file *filp);
static int fifo_open(struct inode *inode, struct file *filp)
{
	return fifo_open_in(inode, filp);
}
static noinline int fifo_open_in(struct inode *inode, struct file *filp)
{`)

// TestLeave disables an update while a task sleeps in code of it that livepatch does not look
// for: the module stays until the task is gone.
func TestLeave(t *testing.T) {
	vmtest.Long(t)
	b := newBench(t, "6.1")
	m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: cpus["6.1"], Log: vm.Policy{Taint: "OEK", Allow: []string{`^fix_fifo: its new code is in use by sleeper`}}})
	ctx := t.Context()
	exe, err := vmtest.BuildProgram(ctx, "github.com/gosplice/gosplice/splice/module/testdata/sleeper")
	if err == nil {
		err = m.Put(ctx, "/bin/sleeper", exe, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	mod := b.build(t, module.Options{Name: "fix_fifo"}, fifos...)
	apply(t, m, mod)
	_, end := sleeper(t, m, "/fifo")
	gone := make(chan error, 1)
	go func() { gone <- unload(ctx, m, mod) }()
	select {
	case err := <-gone:
		t.Fatalf("the module is gone while a task sleeps in it: %v", err)
	case <-time.After(5 * time.Second):
	}
	if _, err := m.ReadFile(ctx, livepatch+mod.Name+"/enabled"); err == nil {
		t.Error("livepatch sees the task: the test shows nothing")
	}
	if err := logs(ctx, m, "fix_fifo: its new code is in use by sleeper"); err != nil {
		t.Error(err)
	}
	end()
	if err := <-gone; err != nil {
		t.Error(err)
	}
}
