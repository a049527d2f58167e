package module_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// TestStuckTransition loads updates that a person accepted, and sees that what was
// found is so: the transition does not end while the thread lives, it can be taken
// back, and updates of other functions, also of such as programs sleep in, do end.
func TestStuckTransition(t *testing.T) {
	vmtest.Long(t)
	t.Parallel()
	b := newBench(t, "6.1")
	m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: 2, Log: vm.Policy{Taint: "OEK", Allow: []string{`^livepatch: signaling remaining tasks`, `^livepatch: 'fix_thread'`}}})
	ctx := t.Context()
	tasks, err := b.kernel.ReadTasks(ctx, m.FS(ctx), 2, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for function, name := range map[string]string{"kcompactd": "kcompactd0", "kthread": "kcompactd0", "kthreadd": "kthreadd", "rescuer_thread": "netns"} {
		if !slices.ContainsFunc(tasks.In(function, ""), func(k module.Task) bool { return k.Name == name && k.Kernel }) {
			t.Errorf("%s is not in %s, but %v", name, function, tasks.In(function, ""))
		}
	}
	p, err := b.pair(t, change("mm/compaction.c", "	pgdat->kcompactd_max_order = 0;\n	pgdat->kcompactd_highest_zoneidx = pgdat->nr_zones - 1;\n\n	while", "	pgdat->kcompactd_max_order = 0;\n	pgdat->kcompactd_highest_zoneidx = pgdat->nr_zones - 1;\n	pr_info(\"compacts\\n\");\n\n	while")[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = module.Build(b.kernel, module.Options{Name: "fix_thread", Tasks: tasks}, p)
	if f := judged(t, err, elfdiff.CodeThreadLoop, "kcompactd"); !strings.Contains(f.Message, "now: kcompactd0 (") {
		t.Errorf("%+v", f)
	}
	thread, err := module.Build(b.kernel, module.Options{Name: "fix_thread", Accept: []elfdiff.Acceptance{{Code: elfdiff.CodeThreadLoop, Symbol: "kcompactd", Reason: "it is woken by hand"}}}, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Load(ctx, thread.Bytes(), ""); err != nil {
		t.Fatal(err)
	}
	if err := stays(ctx, m, thread.Name, 25*time.Second); err != nil { // livepatch's signals come after 15 s
		t.Error(err)
	}
	if err := unload(ctx, m, thread); err != nil {
		t.Errorf("taken back: %v", err)
	}
	apply(t, m, b.build(t, module.Options{Name: "fix_other", Tasks: tasks}, greeting...))
	if err := remove(ctx, m, "fix_other", false); err != nil {
		t.Error(err)
	}
}

// stays sees that a transition goes on for a while.
func stays(ctx context.Context, m *vm.Machine, name string, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
		if err := shows(ctx, m, livepatch+name+"/transition", "1", true); err != nil {
			return fmt.Errorf("the transition has ended: %w", err)
		}
	}
	return nil
}
