package trial

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// TestAbsent goes on without a module that the kernel refused to load, where something else is to be seen.
func TestAbsent(t *testing.T) {
	refusal := func(e syscall.Errno) error {
		return fmt.Errorf("needs hv_vmbus: %w", &vm.Error{Op: "load", Name: "hv_vmbus", Errno: e, Msg: e.Error()})
	}
	in := func(modules ...string) *module.Module {
		m := &module.Module{}
		for _, name := range modules {
			m.Functions = append(m.Functions, module.Function{Name: "f", Module: name})
		}
		return m
	}
	for _, c := range []struct {
		name   string
		update *module.Module
		module string
		err    error
		absent bool
		shown  bool
	}{
		{name: "another module", update: in("vrf", "hv_netvsc"), module: "hv_netvsc", err: refusal(syscall.ENODEV), absent: true, shown: true},
		{name: "the kernel", update: in("", "hv_netvsc"), module: "hv_netvsc", err: refusal(syscall.ENXIO), absent: true, shown: true},
		{name: "nothing else", update: in("hv_netvsc"), module: "hv_netvsc", err: refusal(syscall.ENODEV), absent: true},
		{name: "no error of the guest's", update: in("", "hv_netvsc"), module: "hv_netvsc", err: fmt.Errorf("open: %w", syscall.ENOENT), shown: true},
		{name: "no error of a system call", update: in("", "hv_netvsc"), module: "hv_netvsc", err: refusal(0), shown: true},
		{name: "one that is asked for", update: in(""), module: "dummy", err: refusal(syscall.ENODEV), shown: true},
	} {
		tr := &trial{plan: &plan{Options: Options{Update: c.update}}, report: &Report{}}
		if got := tr.isRefused(c.module, c.err); got != c.absent || len(tr.report.Notes) > 0 != c.absent {
			t.Errorf("%s: %v, %q", c.name, got, tr.report.Notes)
		}
		if got := tr.anyShown(); got != c.shown {
			t.Errorf("%s: shown %v", c.name, got)
		}
	}
}
