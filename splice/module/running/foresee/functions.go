package foresee

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
	"github.com/gosplice/gosplice/splice/module/running"
)

// functions finds out what is replaced, and how.
func (c *checker) functions(context.Context) error {
	var p *kofile.Patch
	var err error
	if !c.plain() {
		p, err = c.ko.Patch(c.sizeOfFunc())
	}
	if err != nil {
		c.add(Finding{Code: CodeUnseen, Effect: Unknown, Message: "which functions it replaces can't be read: " + err.Error(), Hint: "it puts its livepatch together when it is loaded"})
	}
	if p != nil {
		c.replace = p.Replace
		for _, o := range p.Objects {
			for _, f := range o.Functions {
				c.out.Functions = append(c.out.Functions, Function{f.Name, o.Name, f.Position, module.MethodFtrace})
			}
		}
	}
	if m := c.file.Module; m != nil {
		c.ours(m)
	}
	for _, name := range c.targets() {
		if !c.exists(path.Join("sys/module", name)) {
			c.add(Finding{Code: CodeNotLoaded, Effect: Note, Module: name, Message: name + " is not loaded: its functions are looked at when it is"})
		}
	}
	return nil
}

// ours adds what a module of package module replaces without livepatch's help.
func (c *checker) ours(m *module.Module) {
	for _, text := range m.Origin.Functions {
		f := parseFunction(text)
		if slices.ContainsFunc(c.out.Functions, func(o Function) bool { return o.key() == f.key() }) {
			continue
		}
		f.Method = module.MethodProbe
		jumps, err := c.ko.Jumps(m.Name, f.Module)
		if err != nil {
			c.add(Finding{Code: CodeUnseen, Effect: Unknown, Message: "its jumps can't be read: " + err.Error()})
			return
		}
		if slices.Contains(jumps, f.Name) {
			f.Method = module.MethodJump
		}
		c.out.Functions = append(c.out.Functions, f)
	}
}

// parseFunction reads a function of module.Origin: "show,0", and in modules "8021q:show,0".
func parseFunction(s string) (f Function) {
	if m, rest, ok := strings.Cut(s, ":"); ok {
		f.Module, s = m, rest
	}
	name, position, _ := strings.Cut(s, ",")
	f.Name = name
	f.Position, _ = strconv.ParseUint(position, 10, 64)
	return f
}

// sizeOfFunc asks the kernel's BTF for the size of struct klp_func. For modules of package module
// it is not needed, as they say themselves what they replace.
func (c *checker) sizeOfFunc() uint64 {
	if c.file.Module != nil {
		return 0
	}
	b, err := c.read("sys/kernel/btf/vmlinux")
	if err != nil {
		return 0
	}
	l, err := kernel.ReadLayout([]byte(b))
	if err != nil {
		return 0
	}
	return l["klp_func"].Size
}

// moduleOf is a module as livepatch names it, "" for the kernel itself.
func moduleOf(object string) string {
	if object == "vmlinux" {
		return ""
	}
	return object
}

// changing are the functions of which tasks have to be out: those that it replaces, and, where it
// takes the place of all others, those that these replace and that it takes back
// (kernel/livepatch/core.c, klp_add_nops).
func (c *checker) changing() []Function {
	list := slices.Clone(c.out.Functions)
	if !c.replace {
		return list
	}
	keys := slices.SortedFunc(maps.Keys(c.others), func(a, b function) int {
		return cmp.Or(cmp.Compare(a.module, b.module), cmp.Compare(a.name, b.name))
	})
	for _, k := range keys {
		if !slices.ContainsFunc(c.out.Functions, func(f Function) bool { return f.key() == k }) {
			list = append(list, Function{Name: k.name, Module: k.module, Method: module.MethodFtrace})
		}
	}
	return list
}

// targets are the modules whose functions are replaced.
func (c *checker) targets() (names []string) {
	for i := range c.out.Functions {
		if m := c.out.Functions[i].Module; m != "" && !slices.Contains(names, m) {
			names = append(names, m)
		}
	}
	return names
}

// loaded returns the livepatches that are enabled, in the order in which they were loaded: of
// those that replace one function the last one's is called.
func (c *checker) loaded() []string {
	names := c.list(livepatch)
	text, err := c.read("proc/modules") // the newest first
	if err != nil && len(names) > 1 {
		c.unseen(Unknown, "which livepatch was loaded last", err, c.unmounted("proc", "proc/self"))
	}
	at := map[string]int{}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, " ")
		at[name] = len(at)
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(at[b], at[a]) })
	return names
}

// livepatches asks what others replace, and whether one of them is in transition.
func (c *checker) livepatches(context.Context) error {
	c.others = map[function]string{}
	names := c.loaded()
	for _, name := range names {
		if c.line(path.Join(livepatch, name, "transition")) == "1" {
			c.add(Finding{Code: running.CodeInTransition, Effect: Refused, Module: name, Who: []string{name}, Message: name + " is in transition, and there is one at a time"})
		}
		for _, object := range c.list(path.Join(livepatch, name)) {
			for _, f := range c.list(path.Join(livepatch, name, object)) {
				if fn, _, ok := strings.Cut(f, ","); ok {
					c.others[function{fn, moduleOf(object)}] = name
				}
			}
		}
	}
	if c.replace {
		if len(names) > 0 {
			c.add(Finding{Code: CodeReplaced, Effect: Note, Who: names, Message: "it takes the place of " + strings.Join(names, ", ")})
		}
		return nil
	}
	for i := range c.out.Functions {
		f := &c.out.Functions[i]
		if by := c.others[f.key()]; by != "" && by != c.file.Name {
			c.add(Finding{Code: CodeReplaced, Effect: Note, Function: f.Name, Module: f.Module, Who: []string{by}, Message: fmt.Sprintf("%s replaces it already", by)})
		}
	}
	return c.callers()
}
