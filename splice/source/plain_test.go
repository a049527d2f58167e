package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/behaviour"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/distro"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// TestWithoutLivepatch takes small kernels that have no livepatch, no function tracer, and not
// all symbols and no BTF, through updates by jumps alone. One command does it, of which the
// kernels are kept:
//
//	GOSPLICE_TEST=kernel,small go test -v -timeout 5h -run TestWithoutLivepatch ./splice/source
func TestWithoutLivepatch(t *testing.T) {
	vmtest.Long(t)
	all, err := behaviour.Load("testdata/patches")
	if err != nil {
		t.Fatal(err)
	}
	list := slices.DeleteFunc(all, func(c *behaviour.Case) bool { return !alone(c) })
	for _, name := range kbuild.SmallNames {
		t.Run(name, func(t *testing.T) {
			row := newPlainRow(t, name)
			t.Run("match", row.match)
			t.Run("audit", row.audit)
			t.Run("patches", func(t *testing.T) { row.patches(t, row.seen(t, list)) })
			t.Run("stacked", row.stacked)
			t.Run("busy", row.busy)
			t.Run("operated", row.operated)
			t.Run("refused", row.refused)
			t.Log(row)
		})
	}
}

// alone reports whether a case is one of the kernel itself that a program sees.
func alone(c *behaviour.Case) bool {
	return c.Outcome == "made" && len(c.Modules)+len(c.Late) == 0 && len(c.Expect) > 0 && c.Objects[1] <= widest &&
		slices.Equal(c.Targets, []string{"vmlinux"}) && !strings.HasPrefix(c.Name, "callbacks")
}

// seen returns the cases that a program can see on this kernel.
func (r *matrixRow) seen(t *testing.T, list []*behaviour.Case) (some []*behaviour.Case) {
	traces := r.has(t, "CONFIG_EVENT_TRACING")
	for _, c := range list {
		if traces || !strings.Contains(c.Probe, "/sys/kernel/tracing/events") {
			some = append(some, c)
		}
	}
	return some
}

func newPlainRow(t *testing.T, name string) *matrixRow {
	s := kbuild.NeedSmall(t, vmtest.Need(t, "6.1"), name)
	r := &matrixRow{shown: shown{
		files:    &distro.Files{Release: s.Kernel.Release, Source: s.Source, Config: s.Config, Image: s.Image, Boot: s.Kernel.Image},
		builders: map[string]*source.Builder{}, kernel: &s.Kernel,
	}, small: true}
	r.compiler = r.shown.builder(t, &behaviour.Case{}).Identity().Compiler
	return r
}

// has reports whether the kernel was configured with an option.
func (r *matrixRow) has(t *testing.T, option string) bool {
	t.Helper()
	config, err := os.ReadFile(r.shown.files.Config)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(config, []byte("\n"+option+"=y\n"))
}

// update makes an update of edits.
func (r *matrixRow) update(t *testing.T, name string, edits ...edit) *module.Module {
	t.Helper()
	b := r.shown.with(t, module.Options{Name: name})
	res, err := r.build(t, b, patchOf(t, b, name, edits...))
	if err != nil || res.Update == nil {
		t.Fatalf("%v %+v", err, res)
	}
	return res.Update
}

func (r *matrixRow) build(t *testing.T, b *source.Builder, p *patch.Patch) (*source.Result, error) {
	plan, err := b.Plan(vmtest.Context(t), p)
	if err != nil {
		return nil, err
	}
	return b.Build(vmtest.Context(t), plan)
}

// with opens the kernel with options of the module.
func (s *shown) with(t *testing.T, opt module.Options) *source.Builder {
	t.Helper()
	cache, err := deb.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	f := s.files
	b, err := source.Open(vmtest.Context(t), source.Kernel{Release: f.Release, Source: f.Source, Config: f.Config, Image: f.Image},
		source.Options{Cache: cache.Dir(), Module: opt})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// Edits for the small kernels.
var (
	said = edit{"fs/proc/cmdline.c", `seq_putc(m, '\n');`, `seq_puts(m, " first\n");`}
	more = edit{"fs/proc/cmdline.c", `seq_putc(m, '\n');`, `seq_puts(m, " second\n");`}
	wait = edit{"kernel/futex/waitwake.c", `ret = futex_wait_setup(uaddr, val, flags, &q, &hb);`, "if (val == 0x5a5a5a5a)\n		return -EINVAL;\n	ret = futex_wait_setup(uaddr, val, flags, &q, &hb);"}
	also = edit{"fs/proc/loadavg.c", "	seq_printf(m, \"%lu", "	seq_puts(m, \"load \");\n	seq_printf(m, \"%lu"}
)

// stacked has updates stand beside and over each other: what is replaced again can't be
// disabled before that is.
func (r *matrixRow) stacked(t *testing.T) {
	first, beside := r.update(t, "fix_first", said), r.update(t, "fix_beside", also)
	over := r.update(t, "fix_over", more, also)
	m := vmtest.New(t, vm.Options{Kernel: r.shown.kernel, CPUs: 2, Log: vm.Policy{Taint: "OE", Allow: []string{
		`^fix_first: a later update replaces a function of this one again; disable that first`, `^fix_\w+: .*is in use by`,
	}}})
	ctx := t.Context()
	shows := func(line, load string) error {
		return errors.Join(has(ctx, m, "/proc/cmdline", line), has(ctx, m, "/proc/loadavg", load))
	}
	const none, load = "\n", "load "
	check := func(what string, errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	off := func(u *module.Module) error {
		return errors.Join(again(func() error { return m.WriteFile(ctx, "/sys/module/"+u.Name+"/parameters/enabled", []byte("0")) }), m.Unload(ctx, u.Name))
	}
	on := func(u *module.Module) error { return again(func() error { return m.Load(ctx, u.Bytes(), "") }) }
	for range 3 {
		check("before", shows(none, ""))
		check("first", on(first), shows(" first", ""))
		if err := m.Unload(ctx, first.Name); !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EBUSY) {
			t.Fatalf("what is in effect was removed: %v", err)
		}
		check("beside", on(beside), shows(" first", load))
		check("beside is off", off(beside), shows(" first", ""))
		check("over", on(over), shows(" second", load))
		if err := m.WriteFile(ctx, "/sys/module/fix_first/parameters/enabled", []byte("0")); !errors.Is(err, syscall.EBUSY) {
			t.Fatalf("what is replaced again was disabled: %v", err)
		}
		check("still over", shows(" second", load))
		check("over is off", off(over), shows(" first", ""))
		check("first is off", off(first), shows(none, ""))
	}
}

// busy replaces a function that threads of the guest sleep in, which is refused, however the
// kernel's code unwinds.
func (r *matrixRow) busy(t *testing.T) {
	ctx := t.Context()
	u := r.update(t, "fix_busy", wait)
	const in = "futex_wait is in use by "
	m := vmtest.New(t, vm.Options{Kernel: r.shown.kernel, CPUs: 2, Log: vm.Policy{Taint: "OE", Allow: []string{"^fix_busy: " + in}}})
	for range 3 {
		if err := m.Load(ctx, u.Bytes(), ""); !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), in) {
			t.Errorf("%v, want EBUSY and %q", err, in)
		}
	}
	if list, err := m.ReadFile(ctx, "/proc/modules"); err != nil || bytes.Contains(list, []byte(u.Name)) {
		t.Errorf("loaded: %s, %v", list, err)
	}
}

// again tries again while something is in the way: a stack may have words on it that are left of
// another call, and that count.
func again(do func() error) (err error) {
	for range 5 {
		if err = do(); !errors.Is(err, syscall.EBUSY) {
			break
		}
	}
	return err
}

// hidden opens a kernel that runs and whose symbols are those of functions only, which says so:
// where its data is can't be known.
func hidden(t *testing.T, m *vm.Machine) {
	t.Helper()
	img, err := image.NewRunning(m.FS(t.Context()))
	if err == nil {
		img.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "CONFIG_KALLSYMS_ALL is not set") {
		t.Errorf("%v, want an error that names CONFIG_KALLSYMS_ALL", err)
	}
}

// has checks what a file shows.
func has(ctx context.Context, m *vm.Machine, path, text string) error {
	b, err := m.ReadFile(ctx, path)
	if err == nil && (!bytes.Contains(b, []byte(text)) || text == "\n" && bytes.Contains(b, []byte("first")) || text == "" && bytes.Contains(b, []byte("load"))) {
		err = fmt.Errorf("%s shows %q, want %q", path, b, text)
	}
	return err
}

// refused asks for what such a kernel can't do.
func (r *matrixRow) refused(t *testing.T) {
	hook := edit{said.path, said.old + "\n	return 0;\n}", said.new + `
	return 0;
}
struct klp_object;
static int before(struct klp_object *o)
{
	return 0;
}
static int (*hook)(struct klp_object *) __used __section(".kpatch.callbacks.pre_patch") = before;
`}
	for _, c := range []struct {
		what string
		opt  module.Options
		edit edit
	}{
		{"a callback", module.Options{Name: "fix_callback"}, hook},
		{"in the place of others", module.Options{Name: "fix_replace", Replace: true}, said},
	} {
		b := r.shown.with(t, c.opt)
		res, err := r.build(t, b, patchOf(t, b, c.opt.Name, c.edit))
		if err != nil {
			t.Fatal(err)
		}
		if res.Update != nil || !slices.ContainsFunc(res.Refusals, func(x *finding.Refusal) bool { return x.Code == finding.Code(module.CodeNoLivepatch) }) {
			t.Errorf("%s: %s %v", c.what, res.Outcome, res.Refusals)
		}
	}
}
