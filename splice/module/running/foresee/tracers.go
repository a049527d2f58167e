package foresee

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running"
)

// probes asks which kprobes are in the functions.
func (c *checker) probes(context.Context) error {
	text, err := c.read(path.Join(debugfs, "kprobes/list"))
	if err != nil {
		if len(c.list(debugfs)) > 0 && errors.Is(err, fs.ErrNotExist) {
			return nil // a kernel without kprobes
		}
		c.unseen(c.forOurs(Unknown), "which kprobes there are", permission(err), "debugfs")
		return nil
	}
	events := c.events()
	for _, p := range parseProbes(text) {
		if !p.armed {
			continue
		}
		c.probed = append(c.probed, p)
		base, _, _ := strings.Cut(p.name, ".cold")
		for i := range c.out.Functions {
			if f := &c.out.Functions[i]; f.Name == base && f.Module == p.module {
				c.probe(f, &p, events)
			}
		}
	}
	return nil
}

// permission returns an error that is about a right, else nil.
func permission(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// forOurs is an effect that only modules of package module have, as they compare bytes.
func (c *checker) forOurs(e Effect) Effect {
	if c.file.Module == nil {
		return Note
	}
	return e
}

// events are the names of kprobes that tracefs has.
func (c *checker) events() map[string][]string {
	dir := c.tracefs()
	if dir == "" {
		return nil
	}
	text, err := c.read(path.Join(dir, "dynamic_events"))
	if err != nil {
		text, _ = c.read(path.Join(dir, "kprobe_events"))
	}
	return eventsOf(text)
}

// probe reports one probe in a function. Where it is by the function tracer it changes no byte
// that is compared. Where its bytes are in the function, a module of package module is refused.
func (c *checker) probe(f *Function, p *probe, events map[string][]string) {
	kind := "a kprobe"
	if p.returns {
		kind = "a kretprobe"
	}
	who := slices.Clone(events[p.name])
	if len(who) == 0 {
		who = []string{fmt.Sprintf("%s at %s+%#x", kind, p.name, p.offset)}
	}
	found := Finding{Code: CodeProbed, Effect: Note, Function: f.Name, Module: f.Module, Who: who}
	where := fmt.Sprintf("%s is at +%#x", kind, p.offset)
	if p.name != f.Name {
		where += " of " + p.name
	}
	switch {
	case p.traced:
		found.Message = where + ", by the function tracer: it goes on with calls of the function"
		found.Hint = "nothing has to be done"
	case c.file.Module == nil || f.Method == module.MethodProbe:
		found.Message = where + ": the new function does not run it"
		found.Hint = "put it into the new function later, if it is still wanted"
	default:
		found.Code, found.Effect = splice.CodeChanged, Refused
		found.Message = where + ", and its bytes are not those that the update was made for"
		found.Hint = "take the probe away first: " + strings.Join(who, ", ")
	}
	c.add(found)
}

// tracers asks who is on the functions by the function tracer.
func (c *checker) tracers(context.Context) error {
	if c.line(running.TracerSwitch) == "0" {
		c.tracerOff()
	}
	dir := c.tracefs()
	if dir == "" && c.lacks("tracefs") {
		return nil // nor has it a function tracer (CONFIG_FUNCTION_TRACER takes CONFIG_TRACING)
	}
	if dir == "" {
		c.unseen(Unknown, "who traces the functions", nil, "tracefs")
		return nil
	}
	c.returns(dir)
	text, err := c.read(path.Join(dir, "enabled_functions"))
	if err != nil {
		c.unseen(Unknown, "who traces the functions", err, "")
		return nil
	}
	now := map[function]bool{}
	for _, t := range parseTraced(text) {
		now[t.function] = true
		for i := range c.out.Functions {
			if f := &c.out.Functions[i]; f.key() == t.function {
				c.traced(f, &t, dir)
			}
		}
	}
	c.touched(dir, now)
	c.traceable(dir)
	return nil
}

// tracerOff reports what livepatch can't replace while the function tracer is switched off: no function of what is
// loaded, and of other modules none once they are to be loaded, which the kernel refuses then (klp_module_coming of
// kernel/livepatch/core.c).
func (c *checker) tracerOff() {
	const off = "kernel.ftrace_enabled is 0, and livepatch works by the function tracer"
	told := map[string]bool{}
	for i := range c.out.Functions {
		f := &c.out.Functions[i]
		found := Finding{Code: CodeTracingOff, Effect: Refused, Message: off}
		if f.Module != "" && !c.exists(path.Join("sys/module", f.Module)) {
			found = Finding{Code: CodeTracingOff, Effect: Note, Module: f.Module, Message: off + ": " + f.Module + " can't be loaded while it is 0 and this is"}
		}
		if f.Method == module.MethodFtrace && !told[found.Module] {
			told[found.Module] = true
			c.add(found)
		}
	}
}

// traceable reports functions that the function tracer does not know: livepatch can't replace
// them (klp_patch_func of kernel/livepatch/patch.c). What package module made was held against the
// kernel's file for that.
func (c *checker) traceable(dir string) {
	if c.file.Module != nil || len(c.out.Functions) == 0 {
		return
	}
	text, err := c.read(path.Join(dir, "available_filter_functions"))
	if err != nil {
		c.unseen(Unknown, "which functions can be traced", err, "")
		return
	}
	known := map[function]bool{}
	for line := range strings.Lines(text) {
		name, module, _ := strings.Cut(strings.TrimSpace(line), " ")
		known[function{name, strings.Trim(module, "[]")}] = true
	}
	for i := range c.out.Functions {
		f := &c.out.Functions[i]
		if known[f.key()] || f.Module != "" && !c.exists(path.Join("sys/module", f.Module)) {
			continue
		}
		c.add(Finding{Code: CodeUntraced, Effect: Refused, Function: f.Name, Module: f.Module, Message: "the function tracer does not know it, and livepatch works by the function tracer"})
	}
}

// traced reports who is on a function.
func (c *checker) traced(f *Function, t *traced, dir string) {
	users := t.users
	lp := c.others[f.key()]
	if lp != "" {
		users-- // of all livepatches together
	}
	add := func(code splice.Code, effect Effect, who []string, message string) {
		c.add(Finding{Code: code, Effect: effect, Function: f.Name, Module: f.Module, Who: who, Message: message})
	}
	if t.modify && lp == "" && f.Method == module.MethodFtrace {
		users--
		who := append(c.probesAt(f), handlers(t.handler)...)
		add(CodeHeld, Refused, who, "somebody redirects it by the function tracer, and that is no livepatch"+named(who))
	}
	if t.direct {
		users--
		who := append(handlers(t.handler), c.programs()...)
		add(CodeBPF, Note, who, "BPF programs are on it"+named(who))
	}
	if users > 0 {
		who := append(c.tracersOn(dir), c.probesAt(f)...)
		add(CodeTraced, Note, who, fmt.Sprintf("users of the function tracer are on it (%d)%s", users, named(who)))
	}
}

func named(who []string) string {
	if len(who) == 0 {
		return ", of whom nothing tells the name"
	}
	return ": " + strings.Join(who, ", ")
}

// generic are handlers that stand for others.
var generic = []string{"", "klp_ftrace_handler", "ftrace_ops_list_func", "arch_ftrace_ops_list_func", "ftrace_ops_assist_func", "call_direct_funcs"}

func handlers(name string) []string {
	if slices.Contains(generic, name) {
		return nil
	}
	return []string{name}
}

// probesAt names the kprobes that are at a function by the function tracer.
func (c *checker) probesAt(f *Function) (who []string) {
	for i := range c.probed {
		if p := &c.probed[i]; p.function == f.key() && p.traced {
			who = append(who, fmt.Sprintf("kprobe at %s+%#x", p.name, p.offset))
		}
	}
	return who
}

// tracersOn names the tracers that are on, of tracefs and its instances.
func (c *checker) tracersOn(dir string) (who []string) {
	dirs := []string{dir}
	for _, name := range c.list(path.Join(dir, "instances")) {
		dirs = append(dirs, path.Join(dir, "instances", name))
	}
	for _, d := range dirs {
		if t := c.line(path.Join(d, "current_tracer")); strings.HasPrefix(t, "function") {
			name := "tracer " + t
			if d != dir {
				name += " of instance " + path.Base(d)
			}
			who = append(who, name)
		}
	}
	return who
}

// few bounds names in a message.
const few = 5

// programs names BPF programs that the kernel has, as it can't be told which of them are on a
// function; none where there are many.
func (c *checker) programs() []string {
	if len(c.bpf) > few {
		return nil
	}
	return c.bpf
}

// returns says that jumps can't see who is in a function while returns are traced.
func (c *checker) returns(dir string) {
	jumps := slices.IndexFunc(c.out.Functions, func(f Function) bool { return f.Method == module.MethodJump })
	if jumps < 0 {
		return
	}
	var who []string
	for _, t := range c.tracersOn(dir) {
		if strings.Contains(t, "function_graph") {
			who = append(who, t)
		}
	}
	for i := range c.probed {
		if p := &c.probed[i]; p.returns {
			who = append(who, fmt.Sprintf("kretprobe at %s+%#x", p.name, p.offset))
		}
	}
	if len(who) > 0 {
		c.add(Finding{Code: CodeReturns, Effect: Unknown, Function: c.out.Functions[jumps].Name, Who: who, Message: "a jump is written where no stack leads into the old function, and stacks do not tell while returns are traced: " + strings.Join(who[:min(few, len(who))], ", ")})
	}
}

// touched reports functions that somebody was on, and is no more: their bytes are as they were.
// Now has those that somebody is on.
func (c *checker) touched(dir string, now map[function]bool) {
	text, err := c.read(path.Join(dir, "touched_functions"))
	if err != nil {
		return // until Linux 6.3
	}
	for _, t := range parseTraced(text) {
		for i := range c.out.Functions {
			if f := &c.out.Functions[i]; f.key() == t.function && !now[t.function] {
				c.add(Finding{Code: CodeTraced, Effect: Note, Function: f.Name, Module: f.Module, Message: "it was traced or replaced since the start, and is not any more"})
			}
		}
	}
}
