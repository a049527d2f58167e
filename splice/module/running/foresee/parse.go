package foresee

import (
	"strconv"
	"strings"
)

// A probe is a kprobe, or one of a kretprobe (Documentation/trace/kprobes.rst).
type probe struct {
	function
	offset  uint64
	returns bool // of a kretprobe
	armed   bool
	traced  bool // by the function tracer, which changes no bytes of its own
}

// parseProbes reads debugfs's kprobes/list (kernel/kprobes.c, report_probe), such as
//
//	ffffffff81f3d4b0  k  cmdline_proc_show+0x4    [DISABLED][FTRACE]
//	ffffffffc01c2010  r  vlan_seq_show+0x0  8021q  [FTRACE]
func parseProbes(text string) (out []probe) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		name, off, ok := strings.Cut(f[2], "+0x")
		offset, err := strconv.ParseUint(off, 16, 64)
		if !ok || err != nil {
			continue
		}
		p := probe{function: function{name: name}, offset: offset, returns: f[1] == "r"}
		if len(f) > 3 && !strings.HasPrefix(f[3], "[") {
			p.module = f[3]
		}
		p.armed = !strings.Contains(line, "[DISABLED]") && !strings.Contains(line, "[GONE]")
		p.traced = strings.Contains(line, "[FTRACE]")
		out = append(out, p)
	}
	return out
}

// A traced is a function that users of the function tracer are on (Documentation/trace/ftrace.rst,
// enabled_functions).
type traced struct {
	function
	users   int
	modify  bool   // one of them redirects it (FTRACE_FL_IPMODIFY)
	direct  bool   // one of them is called directly, as BPF's trampolines are
	handler string // "" when several share a way, or it is not told
}

// parseTraced reads tracefs's enabled_functions (kernel/trace/ftrace.c, t_show), such as
//
//	cmdline_proc_show (1) R I     	tramp: 0xffffffffc02f5000 (klp_ftrace_handler+0x0/0x1a0) ->ftrace_ops_assist_func+0x0/0x110
//	vlan_seq_show [8021q] (2)    D  	tramp: 0xffffffffc02f5000 (call_direct_funcs+0x0/0x20) ->call_direct_funcs+0x0/0x20
//		direct-->bpf_trampoline_6442478593+0x0/0xd6
func parseTraced(text string) (out []traced) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "\t") && strings.Contains(line, "direct-->") && len(out) > 0 {
			out[len(out)-1].handler = handlerOf(line)
			continue
		}
		name, rest, ok := strings.Cut(line, " (")
		count, rest, ok2 := strings.Cut(rest, ")")
		users, err := strconv.Atoi(count)
		if !ok || !ok2 || err != nil {
			continue
		}
		flags, ways, _ := strings.Cut(rest, "\t")
		t := traced{users: users, modify: strings.Contains(flags, "I"), direct: strings.Contains(flags, "D")}
		t.name, t.module, _ = strings.Cut(strings.TrimSpace(name), " [")
		t.module = strings.TrimSuffix(t.module, "]")
		t.handler = handlerOf(ways)
		out = append(out, t)
	}
	return out
}

// handlerOf returns the name of the function that is called, without its offset.
func handlerOf(ways string) string {
	_, s, direct := strings.Cut(ways, "direct-->")
	if !direct {
		_, s, _ = strings.Cut(ways, "(")
	}
	name, _, _ := strings.Cut(strings.TrimSpace(s), "+0x")
	if strings.ContainsAny(name, " \t\n()") {
		return ""
	}
	return name
}

// eventsOf returns the names of events by the function that they are on, as tracefs's
// kprobe_events and dynamic_events have them (Documentation/trace/kprobetrace.rst), such as
//
//	p:kprobes/mine cmdline_proc_show+4 arg=%di
//	r8:kprobes/back vlan_seq_show
func eventsOf(text string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kind, name, ok := strings.Cut(f[0], ":")
		if !ok || !strings.HasPrefix(kind, "p") && !strings.HasPrefix(kind, "r") && !strings.HasPrefix(kind, "f") {
			continue
		}
		at := f[1]
		if _, in, ok := strings.Cut(at, ":"); ok { // of a module
			at = in
		}
		at, _, _ = strings.Cut(at, "+")
		at, _, _ = strings.Cut(at, "%")
		out[at] = append(out[at], name)
	}
	return out
}
