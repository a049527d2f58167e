package module_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// failing has allocations fail in a kernel without CONFIG_FAULT_INJECTION, as stock ones are: an
// update replaces the functions that are there for it, and do nothing there. A task sets the number of the
// allocation that fails as its timer slack, behind a mark.
func failing() []source {
	const count = `
	if (in_task() && !(%s & __GFP_NOFAIL) && current->timer_slack_ns >> 16 == 0x5afe && !(--current->timer_slack_ns & 0xffff)) {
		current->timer_slack_ns = 50000;
		return %s;
	}
`
	return append(
		change("mm/slab_common.c", "int should_failslab(struct kmem_cache *s, gfp_t gfpflags)\n{\n", "int should_failslab(struct kmem_cache *s, gfp_t gfpflags)\n{"+fmt.Sprintf(count, "gfpflags", "-ENOMEM")),
		change("mm/page_alloc.c", "	return __should_fail_alloc_page(gfp_mask, order);\n", fmt.Sprintf(count, "gfp_mask", "true")+"	return __should_fail_alloc_page(gfp_mask, order);\n")...)
}

// TestOutOfMemory has each allocation of the tasks that load, disable and remove an update fail, one in
// each round: of slabs and of pages. The update is loaded or it is not, nothing is left of it, and the kernel
// goes on.
func TestOutOfMemory(t *testing.T) {
	vmtest.Long(t)
	t.Parallel()
	stride := 40
	if testenv.Asked(testenv.Long) {
		stride = 1
	}
	b := newBench(t, "6.1")
	m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: 1, Modules: []string{"8021q"}, Log: vm.Policy{Taint: "OEKW", Allow: []string{
		`page allocation failure: order:`, `^(Call Trace|Mem-Info|livepatch: )`, `fix_memory`, `Comm: failing Tainted`, `^kobject_add_internal failed for .* \(error: -12 `,
		// The kernel's livepatch has unregistered the function by then; what it can't do is forget its filter.
		`^WARNING: .* at kernel/livepatch/patch\.c:\d+ __klp_unpatch_object\+`,
	}}})
	maker := b.build(t, module.Options{Name: "fail_maker", Accept: []elfdiff.Acceptance{{Code: elfdiff.CodeSleepingStack}}}, failing()...)
	mod := b.build(t, module.Options{Name: "fix_memory"}, append(append(clocks[:1:1], greeting...), vlan()...)...)
	exe, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/splice/module/testdata/failing")
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{"/bin/failing": exe, "/fix_memory.ko": mod.Bytes()} {
		if err := m.Put(t.Context(), path, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	apply(t, m, maker)
	for _, step := range []string{"load", "disable", "remove"} {
		r, err := m.Run(t.Context(), vm.Command{Path: "/bin/failing", Args: []string{"/fix_memory.ko", step, fmt.Sprint(stride)}})
		if err != nil || r.Status != 0 {
			t.Fatalf("%s: %v, %s\n%s", step, err, r.Stderr, r.Stdout)
		}
		said := map[string]int{}
		lines := strings.Split(strings.TrimSpace(string(r.Stdout)), "\n")
		for _, line := range lines {
			w := strings.SplitN(line, " ", 4)
			said[w[3]]++
		}
		t.Logf("%s: %d rounds, the last %q: %v", step, len(lines), lines[len(lines)-1], said)
		if len(lines) < 2 && step == "load" {
			t.Errorf("%s: no allocation failed: %q", step, lines)
		}
	}
	apply(t, m, mod)
	if err := shows(t.Context(), m, "/proc/cmdline", "patched", true); err != nil {
		t.Error(err)
	}
	for _, x := range []*module.Module{mod, maker} {
		if err := unload(t.Context(), m, x); err != nil {
			t.Error(err)
		}
	}
}
