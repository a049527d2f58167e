package source_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/bundle"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/distro"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// bundled makes a bundle of a patch, and reads it back.
func bundled(t *testing.T, b *source.Builder, p *patch.Patch) *bundle.Bundle {
	t.Helper()
	plan, err := b.Plan(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Build(t.Context(), plan)
	if err != nil || r.Bundle == nil {
		t.Fatalf("%v, %s: %v", err, r.Outcome, r.Refusals)
	}
	return stored(t, r.Bundle)
}

// stored writes a bundle, and reads it back.
func stored(t *testing.T, b *bundle.Bundle) *bundle.Bundle {
	t.Helper()
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	back, err := bundle.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// older is an earlier build of the series.
const older = "6.1.0-50-cloud-amd64"

// Edits of which the older build proves less.
var (
	inOther = edit{"fs/proc/array.c", `seq_puts(m, ") ");`, `seq_puts(m, ")  ");`} // do_task_stat has changed since
	byMacro = edit{"fs/proc/cmdline.c", `seq_putc(m, '\n');`, `seq_printf(m, " %d\n", PAGE_SHIFT);`}
	byMoved = edit{"net/8021q/vlanproc.c", "vlan->vlan_id,    vlan->real_dev->name", "vlandev->proto_down_reason ? 0 : vlan->vlan_id, vlan->real_dev->name"}
)

// TestBundle makes bundles of objects of one build, and modules of them on another, by the memory of the
// kernel that runs: where the functions are the same they are live, and where not all is proven they are refused.
func TestBundle(t *testing.T) {
	b := stock(t, "6.1")
	stock := vmtest.Need(t, older)
	m := vmtest.New(t, vm.Options{Kernel: &stock.Kernel, CPUs: 1, Log: vm.Policy{Taint: "OEK"}})
	k, err := module.OpenRunning(t.Context(), m.FS(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for _, c := range []struct {
		name string
		edit edit
		code finding.Code
		says string
	}{
		{"another function", inOther, splice.CodeNotMatched, "do_task_stat"},
		{"a macro", byMacro, finding.CodeOtherSource, "PAGE_SHIFT: the new code was compiled for " + b.Identity().Release},
		{"a member", byMoved, finding.CodeOtherLayout, "struct net_device: the new code was compiled for"},
	} {
		made := bundled(t, b, patchOf(t, b, "test.patch", c.edit))
		if _, err := unbundle(t, made, k, stock.ModuleDir); !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.says) || len(finding.Refusals(err)) != 1 {
			t.Errorf("%s: %v, want %s of %q alone", c.name, err, c.code, c.says)
		}
		word := elfdiff.Acceptance{Code: c.code, Reason: "it is the same"}
		update, err := unbundle(t, made, k, stock.ModuleDir, word)
		if c.code.CanAccept() != (err == nil) {
			t.Errorf("%s: accepted: %v", c.name, err)
		}
		if err == nil && (len(update.Accepted) != 1 || update.Accepted[0].Code != c.code) {
			t.Errorf("%s: %+v", c.name, update.Accepted)
		}
	}
	update, err := unbundle(t, bundled(t, b, patchOf(t, b, "test.patch", good, inModule)), k, stock.ModuleDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Modprobe(t.Context(), "8021q", ""); err != nil {
		t.Fatal(err)
	}
	liveThere(t, m, update)
}

// unbundle makes the module of a bundle for a kernel.
func unbundle(t *testing.T, b *bundle.Bundle, k *module.Kernel, dir string, accept ...elfdiff.Acceptance) (*module.Module, error) {
	t.Helper()
	pairs, err := b.Pairs(t.Context(), k, source.Modules(k, dir), accept)
	if err != nil {
		return nil, err
	}
	opt := b.Options()
	opt.Accept = append(opt.Accept, accept...)
	return module.BuildContext(t.Context(), k, opt, pairs...)
}

// TestBundles keeps the objects of an update of each patch, and of one of all that go together: for the build
// that they were compiled for, each gives the very module.
func TestBundles(t *testing.T) {
	b := stock(t, "6.1")
	k, modules := opened(t, "6.1")
	list := []*patch.Patch{
		patchOf(t, b, "cmdline.patch", good), patchOf(t, b, "vlan.patch", inModule),
		patchOf(t, b, "empty.patch", edit{"fs/proc/cmdline.c", "#include <linux/fs.h>\n", "#include <linux/fs.h>\n\n"}),
		patchOf(t, b, "broken.patch", edit{"fs/proc/array.c", `seq_puts(m, ") ");`, `seq_puts(m, no_such_name);`}),
	}
	same := func(r *source.Result) {
		t.Helper()
		if (r.Update == nil) != (r.Bundle == nil) {
			t.Fatalf("%s: %s, and a bundle is there: %v", r.Name, r.Outcome, r.Bundle != nil)
		}
		if r.Update == nil {
			return
		}
		again, err := unbundle(t, stored(t, r.Bundle), k, modules)
		if err != nil || again.Name != r.Update.Name || !bytes.Equal(again.Bytes(), r.Update.Bytes()) {
			t.Errorf("%s: of the bundle: %+v, %v", r.Name, again, err)
		}
	}
	made := 0
	if err := b.Each(t.Context(), list, func(r *source.Result) error {
		if r.Update != nil {
			made++
		}
		same(r)
		return nil
	}); err != nil || made != 2 {
		t.Errorf("%d made, %v", made, err)
	}
	r, err := b.Cumulative(t.Context(), list)
	if err != nil || r.Bundle == nil || len(r.Bundle.Objects) < 2 || len(r.Bundle.Terms.Patches) != 3 {
		t.Fatalf("%v, %+v", err, r)
	}
	same(r)
}

// opened opens a kernel and says where its modules are.
func opened(t *testing.T, series string) (*module.Kernel, string) {
	t.Helper()
	files, err := distro.Debian(vmtest.Context(t), series, distro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := module.OpenKernelContext(t.Context(), files.Image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	symvers, err := os.Open(files.Symvers)
	if err != nil {
		t.Fatal(err)
	}
	defer symvers.Close()
	if err := k.UseSymvers(symvers); err != nil {
		t.Fatal(err)
	}
	return k, files.Modules
}
