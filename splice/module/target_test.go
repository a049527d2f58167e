package module_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/lint"
)

const vlanConfig = "/proc/net/vlan/config"

// vlan changes an object of a module: what /proc/net/vlan/config shows, by a
// variable of another object of the module, static data, and new data that
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

// gvrp changes code that uses what garp exports.
func gvrp() []source {
	return changeIn("8021q", "net/8021q/vlan_gvrp.c",
		"	return garp_request_join(vlan->real_dev,", "	cond_resched();\n	return garp_request_join(vlan->real_dev,",
		"	garp_unregister_application(&vlan_gvrp_app);", "	pr_info(\"gosplice leaves garp\\n\");\n	garp_unregister_application(&vlan_gvrp_app);")
}

// TestTargets patches modules.
func TestTargets(t *testing.T) {
	vmtest.Long(t)
	t.Parallel()
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, series)
			m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: cpus[series], Log: vm.Policy{
				Taint: "OEK",
				Allow: []string{`disagrees about version of symbol`, `no symbol version for`, `version magic`, `Unknown symbol`,
					`livepatch: failed to enable patch 'fix_other'`, `livepatch: pre-patch callback failed for object '8021q'`, `livepatch: patch 'fix_other' failed for module '8021q', refusing`},
			}})
			for _, c := range []struct {
				name string
				test func(*testing.T, *bench, *vm.Machine)
			}{{"layout", testLayout}, {"reload", testReload}, {"two modules", testTwoModules}, {"another build", testOtherModule}, {"strangers", testStrangers}, {"data", testModuleData}, {"untraced", testUntraced}, {"soak", testSoak}, {"signatures", testEnforce}} {
				t.Run(c.name, func(t *testing.T) { c.test(t, b, m) })
			}
		})
	}
}

// testLayout compares where the parts of modules are thought to be with what
// the kernel says: each is moved as a whole.
func testLayout(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	names := []string{"8021q", "zram", "ip_tables"}
	for _, name := range names {
		if err := m.Modprobe(ctx, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	list, err := m.ReadFile(ctx, "/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		at := map[string][]uint64{}
		for line := range strings.Lines(string(list)) {
			f := strings.Fields(line)
			if len(f) != 4 || f[3] != "["+name+"]" {
				continue
			}
			addr, err := strconv.ParseUint(f[0], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			at[f[2]] = append(at[f[2]], addr)
		}
		moved, n := map[uint64]uint64{}, 0
		run := b.target(t, name).Run()
		for _, s := range run.Symbols() {
			if len(at[s.Name]) != 1 || len(run.Lookup(s.Name)) != 1 {
				continue
			}
			part, by := s.Addr>>26, at[s.Name][0]-s.Addr
			if old, ok := moved[part]; ok && old != by {
				t.Errorf("%s: %s is %#x from where it should be, others of its part %#x", name, s.Name, by, old)
			}
			moved[part] = by
			n++
		}
		if len(moved) < 1 || n < 50 {
			t.Errorf("%s: only %d symbols in %d parts", name, n, len(moved))
		}
		if err := m.Unload(ctx, name); err != nil {
			t.Error(err)
		}
	}
}

// testReload patches a module that is not loaded, loads it, unloads it, and
// loads it again, all with the patch; then it goes the other way round.
func testReload(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	mod := b.build(t, module.Options{Name: "fix_vlan"}, vlan()...)
	apply(t, m, mod)
	for i := range 3 {
		want := fmt.Sprintf("patched %d VLAN_NAME_TYPE_PLUS_VID 1\n", i+1)
		if err := errors.Join(m.Modprobe(ctx, "8021q", ""), shows(ctx, m, vlanConfig, want, true)); err != nil {
			t.Fatal(err)
		}
		if err := m.Unload(ctx, "8021q"); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Modprobe(ctx, "8021q", ""); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(unload(ctx, m, mod), shows(ctx, m, vlanConfig, "patched", false))
	if err != nil {
		t.Fatal(err)
	}
	apply(t, m, mod)
	err = errors.Join(shows(ctx, m, vlanConfig, "patched", true), unload(ctx, m, mod), shows(ctx, m, vlanConfig, "patched", false))
	if err != nil {
		t.Error(err)
	}
}

// testTwoModules changes two objects of a module, another module, and the kernel
// itself in one update: static calls, a lock, an alternative, what another
// module exports, the callbacks of kpatch.
func testTwoModules(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	if err := errors.Join(m.Modprobe(ctx, "8021q", ""), m.Modprobe(ctx, "zram", "")); err != nil {
		t.Fatal(err)
	}
	sources := append(vlan(), changeIn("8021q", "net/8021q/vlan.c",
		"static int vlan_ioctl_handler(struct net *net, void __user *arg)\n{", `struct klp_object;
static int gosplice_before(struct klp_object *o) { return vlan_net_id ? 0 : -1; }
static int (*gosplice_p)(struct klp_object *) __used __section(".kpatch.callbacks.pre_patch") = gosplice_before;
static int vlan_ioctl_handler(struct net *net, void __user *arg)
{`,
		"	int err;\n	struct vlan_ioctl_args args;\n", "	int err;\n	struct vlan_ioctl_args args;\n	cond_resched();\n	pr_warn_once(\"gosplice\\n\");\n")...)
	sources = append(sources, changeIn("zram", "drivers/block/zram/zram_drv.c",
		"static DEVICE_ATTR_RO(initstate);", "static DEVICE_ATTR_RO(initstate); ",
		"val = init_done(zram);\n", "val = init_done(zram) + 40 + !!zram_major;\n")...)
	sources = append(sources, gvrp()...)
	sources = append(sources, greeting...)
	mod := b.build(t, module.Options{Name: "fix_many"}, sources...)
	if info, err := vm.ModInfo(mod.Bytes()); err != nil || info["depends"] != "" {
		t.Errorf("it depends on %q, %v", info["depends"], err)
	}
	state := func(patched bool) error {
		return errors.Join(shows(ctx, m, vlanConfig, "patched", patched), shows(ctx, m, "/sys/block/zram0/initstate", "41", patched),
			shows(ctx, m, "/proc/cmdline", "patched", patched))
	}
	if err := state(false); err != nil {
		t.Fatal(err)
	}
	apply(t, m, mod)
	err := errors.Join(state(true), m.Unload(ctx, "zram"), m.Modprobe(ctx, "zram", ""), state(true), unload(ctx, m, mod), state(false))
	if err != nil {
		t.Error(err)
	}
	testOwner(t, b, m)
}

// testOwner loads an update before the module that it changes, and before garp, which that module
// depends on and whose export the new code uses; both come and go.
func testOwner(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	mod := b.build(t, module.Options{Name: "fix_owner"}, append(vlan(), gvrp()...)...)
	gone := func() error {
		if err := errors.Join(m.Unload(ctx, "8021q"), m.Unload(ctx, "garp")); err != nil {
			return err
		}
		if list, err := m.ReadFile(ctx, "/proc/modules"); err != nil || bytes.Contains(list, []byte("garp")) {
			return fmt.Errorf("garp is there: %s, %w", list, err)
		}
		return nil
	}
	called := func() (n int) {
		log, err := m.Log(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range log {
			n += strings.Count(log[i].Text, "gosplice leaves garp")
		}
		return n
	}
	if err := gone(); err != nil {
		t.Fatal(err)
	}
	before := called()
	apply(t, m, mod)
	for i := range 2 {
		if err := errors.Join(m.Modprobe(ctx, "8021q", ""), shows(ctx, m, vlanConfig, "patched", true)); err != nil {
			t.Fatal(err)
		}
		if err := m.Unload(ctx, "garp"); err == nil {
			t.Error("garp can be removed under 8021q")
		}
		if err := gone(); err != nil {
			t.Fatal(err)
		}
		if n := called(); n != before+i+1 {
			t.Errorf("new code called garp %d times, want %d", n, before+i+1)
		}
	}
	if err := unload(ctx, m, mod); err != nil {
		t.Error(err)
	}
	further := b.build(t, module.Options{Name: "fix_further"}, changeIn("8021q", "net/8021q/vlan_gvrp.c", // 8021q does not depend on zsmalloc
		"	return garp_request_join(vlan->real_dev,", "	extern void zs_free(void *pool, unsigned long handle);\n	zs_free(NULL, 0);\n	return garp_request_join(vlan->real_dev,")...)
	info, err := vm.ModInfo(further.Bytes())
	if err != nil || info["depends"] != "zsmalloc" || !slices.ContainsFunc(further.Findings, func(f elfdiff.Finding) bool { return f.Code == module.FindingNeeds && f.Symbol == "zsmalloc" }) {
		t.Errorf("it depends on %q, %v, and tells %v", info["depends"], err, further.Findings)
	}
}

// testOtherModule has the update meet a module that is not the one whose file it
// was made from: one with another build-id, and one with a byte changed. The
// update is not loaded when it is there; when it comes later, it is not loaded
// itself, as livepatch has it.
func testOtherModule(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	mod := b.build(t, module.Options{Name: "fix_other"}, vlan()...)
	if err := m.Modprobe(ctx, "8021q", ""); err != nil { // for what it depends on
		t.Fatal(err)
	}
	if err := m.Unload(ctx, "8021q"); err != nil {
		t.Fatal(err)
	}
	good, err := b.stock.Module("8021q")
	if err != nil {
		t.Fatal(err)
	}
	good = vm.Unsigned(good)
	id := b.target(t, "8021q").BuildID()
	inCode := codeByte(t, good, "vlan_seq_show")
	for _, c := range []struct {
		name string
		at   int
		says string
	}{
		{"build-id", bytes.Index(good, id) + 3, "its build-id+0x3 in 8021q"},
		{"byte", inCode, "vlan_seq_show+0x"},
	} {
		bad := bytes.Clone(good)
		bad[c.at] ^= 1
		if err := m.Load(ctx, bad, ""); err != nil {
			t.Fatal(err)
		}
		if err := m.Load(ctx, mod.Bytes(), ""); !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the update says %v, want EINVAL and %q", c.name, err, c.says)
		}
		if err := m.Unload(ctx, "8021q"); err != nil {
			t.Fatal(err)
		}
		apply(t, m, mod)
		if err := m.Load(ctx, bad, ""); !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the module says %v, want EINVAL and %q", c.name, err, c.says)
		}
		err := errors.Join(m.Modprobe(ctx, "8021q", ""), shows(ctx, m, vlanConfig, "patched", true), unload(ctx, m, mod), m.Unload(ctx, "8021q"))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// testModuleData overwrites a constant of a module, and sets a variable of another: where the
// module is there, where it comes later, and where its init function has used the variable up.
func testModuleData(t *testing.T, b *bench, m *vm.Machine) {
	table := b.dataPair(t, changeIn("8021q", "net/8021q/vlanproc.c", "static const struct seq_operations vlan_seq_ops = {", `
static int gosplice_show(struct seq_file *seq, void *v)
{
	seq_puts(seq, "patched\n");
	return vlan_seq_show(seq, v);
}
static const struct seq_operations vlan_seq_ops = {`, "	.show = vlan_seq_show,\n};\n\n/*", "	.show = gosplice_show,\n};\n\n/*")[0], elfdiff.Options{Tables: true, InPlace: true})
	number := b.dataPair(t, changeIn("zram", "drivers/block/zram/zram_drv.c", "num_devices = 1;", "num_devices = 2;")[0], elfdiff.Options{Tables: true, Initials: true})
	mod, err := module.Build(b.kernel, module.Options{Name: "fix_data"}, table, number)
	if err != nil {
		t.Fatal(err)
	}
	if len(mod.Data) != 1 || mod.Data[0].Module != "8021q" || len(mod.Initials) != 1 || mod.Initials[0].Module != "zram" || !mod.Pinned {
		t.Errorf("%+v, %+v, pinned %v", mod.Data, mod.Initials, mod.Pinned)
	}
	ctx, g := t.Context(), guest{t.Context(), m, t}
	_, _ = m.Unload(ctx, "8021q"), m.Unload(ctx, "zram")
	load := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if err := m.Modprobe(ctx, name, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	second := func(want bool) {
		t.Helper()
		if _, err := m.ReadFile(ctx, "/sys/block/zram1/disksize"); (err == nil) != want {
			t.Errorf("a second device: %v, want %v", err, want)
		}
	}
	load("8021q")
	apply(t, m, mod)
	g.shows(vlanConfig, "patched", true)
	load("zram")
	g.logged("fix_data: num_devices had its old initial value, and has the new one now", true)
	second(true)
	if err := errors.Join(m.Unload(ctx, "8021q"), m.Unload(ctx, "zram")); err != nil {
		t.Fatal(err)
	}
	g.logged("fix_data: num_devices has its old initial value again", false)
	load("8021q", "zram")
	g.shows(vlanConfig, "patched", true)
	second(true)
	if err := unload(ctx, m, mod); err != nil {
		t.Fatal(err)
	}
	g.shows(vlanConfig, "patched", false)
	g.logged("fix_data: num_devices was changed since it was set, and is left alone", true)
	if err := errors.Join(m.Unload(ctx, "8021q"), m.Unload(ctx, "zram")); err != nil {
		t.Fatal(err)
	}
	load("8021q", "zram")
	g.shows(vlanConfig, "patched", false)
	second(false)
	if mod, err = module.Build(b.kernel, module.Options{Name: "fix_number"}, number); err != nil {
		t.Fatal(err)
	}
	apply(t, m, mod) // its init function has counted down to 0
	g.logged("fix_number: num_devices holds another value than its old initial one, and is left alone", true)
	if err := errors.Join(unload(ctx, m, mod), m.Unload(ctx, "8021q"), m.Unload(ctx, "zram")); err != nil {
		t.Error(err)
	}
}

// testUntraced patches functions of a module that the function tracer does not know, as all of lib:
// one that a table leads to, and one that another module calls.
func testUntraced(t *testing.T, b *bench, m *vm.Machine) {
	const injected = "/sys/kernel/debug/notifier-error-inject/pm/actions/PM_SUSPEND_PREPARE/error"
	ctx, g := t.Context(), guest{t.Context(), m, t}
	pair, err := b.pair(t, changeIn("notifier-error-inject", "lib/notifier-error-inject.c",
		"	*val = *(int *)data;", "	*val = *(int *)data - 1000;",
		"	err_inject->nb.notifier_call =", "	pr_info(\"gosplice injects %s\\n\", name);\n	err_inject->nb.notifier_call =")[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, opt := range []module.Options{{Name: "fix_refused", NoJumps: true}, {Name: "fix_refused", Replace: true}} {
		if _, err := module.Build(b.kernel, opt, pair); !errors.Is(err, module.CodeNoFentry) || !errors.Is(err, module.CodeNoJump) {
			t.Errorf("%+v: %v, want %v and %v", opt, err, module.CodeNoFentry, module.CodeNoJump)
		}
	}
	mod, err := module.Build(b.kernel, module.Options{Name: "fix_untraced"}, pair)
	if err != nil {
		t.Fatal(err)
	}
	if n := methods(mod); n[module.MethodJump] != 2 || len(mod.Functions) != 2 || mod.Functions[0].Module != "notifier_error_inject" {
		t.Fatalf("%+v", mod.Functions)
	}
	if r, err := lint.Check(ctx, mod.Bytes(), nil); err != nil || r.Worst() != lint.Unchecked {
		t.Errorf("lint: %+v, %v", r, err)
	}
	come := func() {
		t.Helper()
		if err := errors.Join(m.Modprobe(ctx, "pm-notifier-error-inject", ""), m.WriteFile(ctx, injected, []byte("-7"))); err != nil {
			t.Fatal(err)
		}
	}
	leave := func() {
		t.Helper()
		if err := errors.Join(m.Unload(ctx, "pm_notifier_error_inject"), m.Unload(ctx, "notifier_error_inject")); err != nil {
			t.Fatal(err)
		}
	}
	come()
	g.shows(injected, "-7\n", true)
	apply(t, m, mod)
	g.shows(injected, "-1007\n", true)
	g.logged("gosplice injects pm", false)
	for range 2 { // it goes, and comes again
		leave()
		come()
		g.shows(injected, "-1007\n", true)
	}
	g.logged("gosplice injects pm", true)
	if err := unload(ctx, m, mod); err != nil {
		t.Fatal(err)
	}
	g.shows(injected, "-1007\n", false)
	leave()
	apply(t, m, mod) // before the module
	come()
	g.shows(injected, "-1007\n", true)
	leave()
	if err := unload(ctx, m, mod); err != nil { // without it
		t.Fatal(err)
	}
	come()
	g.shows(injected, "-1007\n", false)
	leave()
}

// dataPair is pair, compared with options.
func (b *bench) dataPair(t *testing.T, s source, opt elfdiff.Options) module.Pair {
	t.Helper()
	p, err := b.pair(t, s)
	if err != nil {
		t.Fatal(err)
	}
	if p.Diff, err = elfdiff.Compare(p.Diff.Pre, p.Diff.Post, opt); err != nil {
		t.Fatal(err)
	}
	return p
}

// testStrangers loads what is not for this kernel: a module for another version,
// and one without a CRC.
func testStrangers(t *testing.T, b *bench, m *vm.Machine) {
	other := "6.12"
	if !strings.HasPrefix(b.stock.Release, "6.1.") {
		other = "6.1"
	}
	version := newBench(t, other).build(t, module.Options{Name: "fix_version"}, greeting...).Bytes()
	mine := b.build(t, module.Options{Name: "fix_crc"}, greeting...).Bytes()
	entry := append([]byte("klp_enable_patch"), 0) // in __versions it is the first
	crc := bytes.Replace(mine, entry, append([]byte("klp_enable_petch"), 0), 1)
	for name, image := range map[string][]byte{"version": version, "CRC": crc} {
		if err := m.Load(t.Context(), image, ""); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOEXEC) {
			t.Errorf("%s: %v, want EINVAL or ENOEXEC", name, err)
		}
		if err := shows(t.Context(), m, "/proc/cmdline", "patched", false); err != nil {
			t.Error(err)
		}
	}
}

// codeByte returns the place in a module's file of a byte of a function that no
// relocation covers, behind what the function tracer needs.
func codeByte(t *testing.T, file []byte, name string) int {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range syms {
		if s.Name != name {
			continue
		}
		rela := f.Section(".rela" + f.Sections[s.Section].Name)
		relas, err := rela.Data()
		if err != nil {
			t.Fatal(err)
		}
		covered := map[uint64]bool{}
		for i := 0; i+24 <= len(relas); i += 24 {
			for n := range uint64(8) {
				covered[binary.LittleEndian.Uint64(relas[i:])+n] = true
			}
		}
		for at := s.Value + 9; at < s.Value+s.Size; at++ {
			if !covered[at] {
				return int(f.Sections[s.Section].Offset + at)
			}
		}
	}
	t.Fatalf("no byte of %s is free", name)
	return 0
}
