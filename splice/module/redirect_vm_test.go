package module_test

import (
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module"
)

// testRedirected matches with a kernel in which a livepatch is active: the old
// code is recognised as replaced, and what is live is that of post, not of pre.
func testRedirected(t *testing.T, b *bench, m *vm.Machine) {
	s := change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `seq_puts(m, " redirected\n");`)[0]
	pair, err := b.pair(t, s)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := module.Build(b.kernel, module.Options{Name: "fix_redirected"}, pair)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Load(t.Context(), mod.Bytes(), ""); err != nil {
		t.Fatal(err)
	}
	if err := settle(t.Context(), m, mod.Name); err != nil {
		t.Fatal(err)
	}
	run, err := image.NewRunning(m.FS(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	checkRedirect(t, pair.Diff.Pre, run, reloc.Matched, reloc.Mismatch)
	checkRedirect(t, pair.Diff.Post, run, reloc.Mismatch, reloc.Matched)
	if err := unload(t.Context(), m, mod); err != nil {
		t.Fatal(err)
	}
}

// checkRedirect matches an object of which the function's own code is old or not,
// and the code that is live is or is not.
func checkRedirect(t *testing.T, o *object.Object, run *image.Image, own, live reloc.Verdict) {
	t.Helper()
	r, err := reloc.Match(t.Context(), o, run, reloc.Options{Module: "vmlinux"}) // not the patch itself
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Functions {
		f := &r.Functions[i]
		if f.Name != "cmdline_proc_show" {
			continue
		}
		if f.Verdict != own {
			t.Errorf("its own code: %v, want %v: %v", f.Verdict, own, f.Mismatch)
		}
		if f.Redirect == nil || f.Redirect.Kind != reloc.PatchLivepatch || f.Redirect.Verdict != live {
			t.Errorf("redirect %+v, want a livepatch and %v", f.Redirect, live)
		}
		return
	}
	t.Error("the object has no such function")
}
