package foresee

import (
	"context"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/kallsyms"
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
	for i := range c.out.Functions {
		c.names[c.out.Functions[i].key()] = 0
	}
	for i := range list {
		s := &list[i]
		if n, ok := c.names[function{s.Name, s.Module}]; ok {
			c.names[function{s.Name, s.Module}] = n + 1
		}
		if s.Module == "" && s.Addr != 0 {
			if _, ok := c.at[s.Name]; !ok && !s.IsLocal() {
				c.at[s.Name] = s.Addr
			}
		}
	}
	for i := range c.out.Functions {
		f := &c.out.Functions[i]
		if f.Method == "ftrace" && (f.Module == "" || c.exists("sys/module/"+f.Module)) {
			c.there(f, c.names[f.key()])
		}
	}
	return nil
}

// there compares how many there are of a name with what the livepatch asks for.
func (c *checker) there(f *Function, n int) {
	message := ""
	switch {
	case n == 0:
		message = "the kernel has no function of that name"
	case f.Position == 0 && n > 1:
		message = fmt.Sprintf("the kernel has %d symbols of that name, and the livepatch does not say which", n)
	case f.Position > uint64(n):
		message = fmt.Sprintf("the kernel has %d symbols of that name, and the livepatch wants number %d", n, f.Position)
	default:
		return
	}
	c.add(Finding{Code: CodeNotThere, Effect: Refused, Function: f.Name, Module: f.Module, Message: message})
}
