package vm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/vm"
)

// bad has a line of each kind, as kernels word them, and the rule that finds it.
var bad = []struct{ rule, line string }{
	{"panic", "Kernel panic - not syncing: sysrq triggered crash"},
	{"WARN", "WARNING: CPU: 1 PID: 77 at kernel/trace/ftrace.c:2001 ftrace_bug+0x2a/0x30"},
	{"WARN", "WARNING: kernel/jump_label.c:401 at __jump_label_patch+0x1/0x2, CPU#0: insmod/7"},
	{"lockdep", "WARNING: possible circular locking dependency detected"},
	{"lockdep", "WARNING: suspicious RCU usage"},
	{"lockdep", "INFO: trying to register non-static key."},
	{"soft lockup", "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [insmod:88]"},
	{"hard lockup", "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1"},
	{"BUG", "BUG: kernel NULL pointer dereference, address: 0000000000000000"},
	{"BUG", "BUG: unable to handle page fault for address: ffffffffc0001234"},
	{"BUG", "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580"},
	{"BUG", "BUG: scheduling while atomic: swapper/0/0/0x00000002"},
	{"BUG", "kernel BUG at arch/x86/kernel/alternative.c:1905!"},
	{"BUG", "BUG kmalloc-64 (Tainted: G): Poison overwritten"},
	{"livepatch", "livepatch: enabling patch 'update' failed"},
	{"unable to handle", "8<--- cut here --- Unable to handle kernel paging request"},
	{"general protection", "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1]"},
	{"fault", "invalid opcode: 0000 [#1] PREEMPT SMP NOPTI"},
	{"oops", "Oops: invalid opcode: 0000 [#1] PREEMPT SMP NOPTI"},
	{"fault", "int3: 0000 [#1] PREEMPT SMP NOPTI"},
	{"fault", "Missing ENDBR: patched_show+0x0/0x40 [update]"},
	{"fault", "kernel tried to execute NX-protected page - exploit attempt? (uid: 0)"},
	{"oops", "Oops: 0002 [#1] PREEMPT SMP NOPTI"},
	{"RCU stall", "rcu: INFO: rcu_preempt self-detected stall on CPU"},
	{"RCU stall", "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"},
	{"hung task", "INFO: task kworker/0:1:12 blocked for more than 120 seconds."},
	{"sanitizer", "UBSAN: array-index-out-of-bounds in fs/x.c:3:4"},
	{"corruption", "list_del corruption. prev->next should be ffff888003d4a000, but was 0000000000000000"},
	{"corruption", "refcount_t: underflow; use-after-free."},
	{"kernel objects", "sysfs: cannot create duplicate filename '/module/update'"},
	{"kernel objects", "kobject_add_internal failed for update with -EEXIST, don't try to register things with the same name"},
	{"ftrace", "------------[ ftrace bug ]------------"},
	{"ftrace", "ftrace failed to modify"},
	{"livepatch", "livepatch: failed to apply patch 'update' to loading module 'dummy'"},
	{"livepatch", "livepatch: patch 'update' failed for module 'dummy', refusing to load module 'dummy'"},
	{"livepatch", "livepatch: unresolvable ambiguity for symbol 'show' in object 'vmlinux'"},
	{"module loader", "x86/modules: Skipping invalid relocation target, existing value is nonzero for type 1, loc 000, val 0"},
	{"module loader", "update: Unknown symbol stop_machine (err -2)"},
	{"module loader", "update: disagrees about version of symbol module_layout"},
	{"module loader", "update: version magic '6.1.0 SMP ' should be '6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions '"},
	{"code patching", "missing return thunk: show+0x11/0x20-show+0x16/0x20: e9 00 00 00 00"},
	{"code patching", "callthunks: Invalid padding area for 0xffffffffc0123450"},
	{"code patching", "jump_label: Fatal kernel bug, unexpected op at show+0x5/0x20 [0000] (e9 00 00 00 00 != 0f 1f 44 00 00)) size:5 type:1"},
	{"unwinder", "WARNING: Bad or missing .orc_unwind table.  Disabling unwinder."},
	{"warning", "WARNING: can't access registers at asm_exc_page_fault+0x1/0x2"},
	{"kernel trace", "Call Trace:"},
	{"kernel trace", "CPU: 0 UID: 0 PID: 1 Comm: init Not tainted 6.12.117+deb12-cloud-amd64 #1"},
}

// good has lines of healthy kernels that look as if they belonged above.
var good = []string{
	"livepatch: enabling patch 'update'",
	"livepatch: 'update': starting patching transition",
	"livepatch: 'update': patching complete",
	"livepatch: 'update': unpatching complete",
	"livepatch: applying patch 'update' to loading module 'dummy'",
	"livepatch: reverting patch 'update' on unloading module 'dummy'",
	"update: module verification failed: signature and/or required key missing - tainting kernel",
	"update: loading out-of-tree module taints kernel.",
	"update: tainting kernel with TAINT_LIVEPATCH",
	"livepatch: enabling patch 'fix_invalid_length'",
	"livepatch: 'text_poke': patching complete",
	"livepatch: applying patch 'unable_failed' to loading module 'refusing'",
	"text_poke: tainting kernel with TAINT_LIVEPATCH",
	"Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!",
	"ftrace: allocating 40246 entries in 158 pages",
	"ftrace: allocated 158 pages with 5 groups",
	"rcu: Hierarchical RCU implementation.",
	"NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.",
	"SMP alternatives: switching to UP code",
	"x86/mm: Checked W+X mappings: passed, no W+X pages found.",
	"callthunks: Setting up call depth tracking",
	"callthunks: Invalid padding area for xen_cpu_bringup_again+0x0/0x10", // a stock 6.12 with retbleed=stuff
	"Poking KASLR using RDTSC...",
	"debug: unmapping init [mem 0x1-0x2]",
	"ACPI: BUS: errors and failures of other kinds",
	"orphan section of ORChestra",
}

func records(lines ...string) []vm.Record {
	var list []vm.Record
	for i, l := range lines {
		list = append(list, vm.Record{Level: 4, Seq: uint64(i), Time: time.Duration(i) * time.Millisecond, Text: l})
	}
	return list
}

func TestCheckLog(t *testing.T) {
	for _, c := range bad {
		found, err := vm.CheckLog(records("before", c.line, "after"), nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []vm.Finding{{Rule: c.rule, Records: records("", c.line)[1:]}}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.line, diff)
		}
	}
	found, err := vm.CheckLog(records(good...), nil)
	if err != nil || len(found) != 0 {
		t.Errorf("a healthy kernel: %v, %v", found, err)
	}
}

// TestCheckLogTraces: a trace, from its mark on, belongs to the line that tells what it is, and goes when
// that line is allowed.
func TestCheckLogTraces(t *testing.T) {
	trace := func(first string) []string {
		return []string{
			"------------[ cut here ]------------", first, "Modules linked in: update",
			"CPU: 0 PID: 9 Comm: x Tainted: G", "Call Trace:", " show+0x1/0x2", "---[ end trace 0000000000000000 ]---",
		}
	}
	warn, bug := trace("WARNING: CPU: 0 PID: 9 at a.c:1 f+0x1/0x2"), trace("kernel BUG at b.c:2!")
	log := records(append(append(append([]string{"a"}, warn...), "b"), bug...)...)
	for _, c := range []struct{ allow, want string }{
		{`^$`, "WARN×7 BUG×7"},
		{`^WARNING: .* f\+`, "BUG×7"},
		{`b\.c:2`, "WARN×7"},
	} {
		found, err := vm.CheckLog(log, []string{c.allow})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found {
			got = append(got, fmt.Sprintf("%s×%d", f.Rule, len(f.Records)))
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("allow %q: %s, want %s", c.allow, got, c.want)
		}
	}
	if _, err := vm.CheckLog(nil, []string{"("}); err == nil {
		t.Error("a bad expression was accepted")
	}
}

func TestParseRecord(t *testing.T) {
	for in, want := range map[string]vm.Record{
		"6,339,5140900,-;NET: Registered\n SUBSYSTEM=acpi\n": {Level: 6, Seq: 339, Time: 5140900 * time.Microsecond, Text: "NET: Registered"},
		"30,340,5690716,-,caller=T1;udevd\n":                 {Level: 6, Seq: 340, Time: 5690716 * time.Microsecond, Text: "udevd"},
		`4,0,0,c;a\x0ab\x5cx0a\x9;c\x`:                       {Level: 4, Text: "a\nb\\x0a\\x9;c\\x"},
	} {
		got, err := vm.ParseRecord([]byte(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
	for _, in := range []string{"", "no head", "6,1;x", "6,x,1,-;x", "6,1,-1,-;x", "6,1,99999999999999999999,-;x"} {
		if r, err := vm.ParseRecord([]byte(in)); err == nil {
			t.Errorf("%q: accepted as %v", in, r)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte("6,339,5140900,-;NET: Registered\n SUBSYSTEM=acpi\n"))
	f.Add([]byte(`4,0,0,c;a\x0ab\x5cx0a\x9;c\x`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := vm.ParseRecord(b)
		if err != nil {
			return
		}
		if r.Level < 0 || r.Level > 7 || len(r.Text) > len(b) {
			t.Errorf("%q: %#v", b, r)
		}
		if _, err := vm.CheckLog([]vm.Record{r}, nil); err != nil {
			t.Error(err)
		}
	})
}
