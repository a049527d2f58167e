package foresee

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/kallsyms"
	"github.com/gosplice/gosplice/splice/module"
)

// symbols asks whether the kernel has the functions, as livepatch looks for them (klp_find_object_symbol:
// by name and position), and where what the checks refer to is.
func (c *checker) symbols(context.Context) error {
	text, err := c.read("proc/kallsyms")
	if err != nil {
		c.unseen(Unknown, "the symbols of the kernel", err, c.unmounted("proc", "proc/self"))
		return nil
	}
	list, err := kallsyms.Parse(strings.NewReader(text))
	if err != nil {
		c.unseen(Unknown, "the symbols of the kernel", err, "")
		return nil
	}
	c.names, c.at = map[function]int{}, map[string]uint64{}
	missing := map[string]bool{}
	for _, name := range c.ko.Imports() {
		missing[name] = true
	}
	for i := range c.out.Functions {
		c.names[c.out.Functions[i].key()] = 0
	}
	data := false // the kernel has names of data too (CONFIG_KALLSYMS_ALL)
	for i := range list {
		s := &list[i]
		data = data || s.Module == "" && strings.ContainsRune("dDbB", rune(s.Type))
		delete(missing, s.Name)
		if name := programOf(s); name != "" {
			c.bpf = append(c.bpf, "program "+name)
		}
		if n, ok := c.names[function{s.Name, s.Module}]; ok {
			c.names[function{s.Name, s.Module}] = n + 1
		}
		if s.Module == "" && s.Addr != 0 {
			if _, ok := c.at[s.Name]; !ok && !s.IsLocal() {
				c.at[s.Name] = s.Addr
			}
		}
	}
	c.imports(missing, data)
	for i := range c.out.Functions {
		f := &c.out.Functions[i]
		if f.Method == module.MethodFtrace && (f.Module == "" || c.exists("sys/module/"+f.Module)) {
			c.there(f, c.names[f.key()])
		}
	}
	return nil
}

// programOf returns the name of the BPF program that a symbol is of, "" for none: it is
// bpf_prog_TAG_NAME (kernel/bpf/core.c, bpf_get_prog_name).
func programOf(s *kallsyms.Symbol) string {
	tagged, ok := strings.CutPrefix(s.Name, "bpf_prog_")
	if !ok || s.Module != "bpf" {
		return ""
	}
	_, name, _ := strings.Cut(tagged, "_")
	return name
}

// there compares how many there are of a name with what the livepatch asks for.
func (c *checker) there(f *Function, n int) {
	message := ""
	switch {
	case n == 0:
		message = "the kernel has no function of that name"
	case f.Position == 0 && n > 1:
		message = fmt.Sprintf("the kernel has %d of that name, and the livepatch does not say which", n)
	case f.Position > uint64(n):
		message = fmt.Sprintf("the kernel has %d of that name, and the livepatch wants number %d", n, f.Position)
	default:
		return
	}
	c.add(Finding{Code: CodeNotThere, Effect: Refused, Function: f.Name, Module: f.Module, Message: message})
}

// imports reports symbols that nothing has, and, where the kernel asks for versions, such that the
// file has no version of. Whether a version is the kernel's own is not seen here.
func (c *checker) imports(missing map[string]bool, data bool) {
	if len(missing) > 0 {
		effect := Refused
		if !data {
			effect = Unknown // they may be data
		}
		who := slices.Sorted(maps.Keys(missing))
		c.add(Finding{Code: CodeImports, Effect: effect, Who: who, Message: fmt.Sprintf("symbols that it uses are not there (%d): %s", len(who), strings.Join(who[:min(few, len(who))], ", "))})
	}
	versions, ok := c.ko.Versions()
	if !ok && len(c.ko.Imports()) == 0 || !slices.Contains(strings.Fields(c.file.Magic), "modversions") {
		return
	}
	var who []string
	for _, name := range c.ko.Imports() {
		if !versions[name] {
			who = append(who, name)
		}
	}
	if len(who) > 0 {
		c.add(Finding{Code: CodeImports, Effect: Refused, Who: who, Message: fmt.Sprintf("it has no version of symbols that it uses (%d): %s", len(who), strings.Join(who[:min(few, len(who))], ", "))})
	}
}
