package vm_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/vm"
)

// rewritten are modules that between them have most of what a kernel module may
// hold: per-CPU data, exports, tracepoints, jump labels, static calls, parameters,
// exception tables, alternatives, and from few to thousands of sections' entries.
var rewritten = []string{
	"dummy", "veth", "tun", "loop", "overlay", "zram", "macvlan", "nf_conntrack", "nf_tables", "bridge", "xfs",
}

// testRewritten has the kernel's own loader judge what elfobj writes: each module
// is read and written again without its signature, loaded and unloaded. The one
// trace that it may leave is the taint of unsigned modules.
func testRewritten(t *testing.T, m *vm.Machine) {
	for _, name := range rewritten {
		t.Run(name, func(t *testing.T) { loadRewritten(t, m, name) })
	}
	if err := m.Check(t.Context(), vm.Policy{Taint: "E"}); err != nil {
		t.Error(err)
	}
}

func loadRewritten(t *testing.T, m *vm.Machine, name string) {
	ctx := t.Context()
	image, err := m.Kernel.Module(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elfobj.Parse(vm.Unsigned(image))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := f.Rewrite(&b); err != nil {
		t.Fatal(err)
	}
	if len(b.Bytes()) == 0 || bytes.HasSuffix(b.Bytes(), []byte("appended~\n")) {
		t.Fatal("the signature is still there")
	}
	info, err := vm.ModInfo(image)
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.SplitSeq(info["depends"], ",") {
		if dep == "" {
			continue
		}
		if err := m.Modprobe(ctx, dep, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Load(ctx, b.Bytes(), ""); err != nil {
		t.Fatal(err)
	}
	taint, err := m.ReadFile(ctx, "/sys/module/"+name+"/taint")
	if err != nil || string(taint) != "E\n" {
		t.Errorf("taint %q, %v, want E: is it the rewritten one?", taint, err)
	}
	if err := m.Unload(ctx, name); err != nil {
		t.Fatal(err)
	}
}
