package foresee

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseProbes(t *testing.T) {
	const text = `ffffffff81f3d4b0  k  cmdline_proc_show+0x4    [DISABLED][FTRACE]
ffffffffc01c2010  r  vlan_seq_show+0x0  8021q  [FTRACE]
ffffffff81f3d4c0  k  cmdline_proc_show.cold+0x10    [OPTIMIZED]
0000000000000000  k  gone+0x1  old  [GONE]
ffffffff81f3d4c0  k  0xffffffff81f3d4c0
nonsense
`
	want := []probe{
		{function{"cmdline_proc_show", ""}, 4, false, false, true},
		{function{"vlan_seq_show", "8021q"}, 0, true, true, true},
		{function{"cmdline_proc_show.cold", ""}, 16, false, true, false},
		{function{"gone", "old"}, 1, false, false, false},
	}
	if diff := cmp.Diff(want, parseProbes(text), cmp.AllowUnexported(probe{}, function{})); diff != "" {
		t.Error(diff)
	}
}

func TestParseTraced(t *testing.T) {
	const text = "cmdline_proc_show (1) R I     \ttramp: 0xffffffffc02f5000 (klp_ftrace_handler+0x0/0x1a0) ->ftrace_ops_assist_func+0x0/0x110\n" +
		"vlan_seq_show [8021q] (2)    D  \ttramp: 0x1 (call_direct_funcs+0x0/0x20) ->call_direct_funcs+0x0/0x20\n" +
		"\tdirect-->bpf_trampoline_6442478593+0x0/0xd6\n" +
		"vfs_read (3) R   \n" +
		"x (y) \nnonsense\n"
	want := []traced{
		{function{"cmdline_proc_show", ""}, 1, true, false, "klp_ftrace_handler"},
		{function{"vlan_seq_show", "8021q"}, 2, false, true, "bpf_trampoline_6442478593"},
		{function{"vfs_read", ""}, 3, false, false, ""},
	}
	if diff := cmp.Diff(want, parseTraced(text), cmp.AllowUnexported(traced{}, function{})); diff != "" {
		t.Error(diff)
	}
}

func TestEventsOf(t *testing.T) {
	const text = `p:kprobes/mine cmdline_proc_show+4 arg=%di
r8:kprobes/back 8021q:vlan_seq_show
p:kprobes/exit vfs_read%return
f:fprobes/entry vfs_read
e:eprobes/x syscalls.sys_enter
x
`
	want := map[string][]string{"cmdline_proc_show": {"kprobes/mine"}, "vlan_seq_show": {"kprobes/back"}, "vfs_read": {"kprobes/exit", "fprobes/entry"}}
	if diff := cmp.Diff(want, eventsOf(text)); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("ffffffffc01c2010  r  vlan_seq_show+0x0  8021q  [FTRACE]")
	f.Add("vlan_seq_show [8021q] (2)    D  \tdirect-->bpf_trampoline_6442478593+0x0/0xd6\n")
	f.Add("p:kprobes/mine cmdline_proc_show+4 arg=%di")
	f.Add("8021q:show,1")
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range parseProbes(s) {
			if p.name == "" && p.offset > uint64(1)<<63 && p.armed && p.module == "[" {
				t.Error(p)
			}
		}
		for _, x := range parseTraced(s) {
			if len(x.handler) > len(s) {
				t.Error(x)
			}
		}
		if len(eventsOf(s)) > len(s) {
			t.Error("more events than bytes")
		}
		if f := parseFunction(s); len(f.Name)+len(f.Module) > len(s) {
			t.Error(f)
		}
	})
}
