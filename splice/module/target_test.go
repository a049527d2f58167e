package module_test

import (
	"errors"
	"testing"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

const vlanConfig = "/proc/net/vlan/config"

// vlan changes two objects of one module: what /proc/net/vlan/config shows, by
// variables of another object of the module, static data, and new data that
// points to the module.
func vlan() []source {
	return changeIn("8021q", "net/8021q/vlanproc.c",
		"static int vlan_seq_show(struct seq_file *seq, void *v)\n{", `
static const char *const *gosplice_names = vlan_name_type_str;
static int gosplice_shown;
static int vlan_seq_show(struct seq_file *seq, void *v)
{`,
		`"VLAN Dev name	 | VLAN ID\n");`, `"VLAN Dev name	 | VLAN ID\n");
		seq_printf(seq, "patched %d %s %u\n", ++gosplice_shown, gosplice_names[0], vlan_net_id > 0);
		pr_debug("gosplice\n");`)
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, series)
			m := vm.New(t, vm.Options{Kernel: b.stock, CPUs: cpus[series], Log: vm.Policy{Taint: "OEK"}})
			testReload(t, b, m)
		})
	}
}

// testReload patches a module that is not loaded, loads it, unloads it, and
// loads it again, all with the patch; then it goes the other way round.
func testReload(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	mod := b.build(t, module.Options{Name: "fix_vlan"}, vlan()...)
	apply(t, m, mod)
	for range 3 {
		if err := errors.Join(m.Modprobe(ctx, "8021q", ""), shows(ctx, m, vlanConfig, "patched ", true)); err != nil {
			t.Fatal(err)
		}
		if err := m.Unload(ctx, "8021q"); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Modprobe(ctx, "8021q", ""); err != nil {
		t.Fatal(err)
	}
	if err := unload(ctx, m, mod.Name); err != nil {
		t.Fatal(err)
	}
	if err := shows(ctx, m, vlanConfig, "patched", false); err != nil {
		t.Fatal(err)
	}
	apply(t, m, mod)
	if err := errors.Join(shows(ctx, m, vlanConfig, "patched", true), unload(ctx, m, mod.Name), shows(ctx, m, vlanConfig, "patched", false)); err != nil {
		t.Error(err)
	}
}
