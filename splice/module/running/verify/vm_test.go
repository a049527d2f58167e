package verify_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/livekernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running"
	"github.com/gosplice/gosplice/splice/module/running/verify"
)

// bench makes updates for one kernel.
type bench struct {
	stock   *debkernel.Kernel
	tree    *kbuild.Tree
	kernel  *module.Kernel
	objtool string
}

func newBench(t *testing.T, series string) *bench {
	t.Helper()
	b := &bench{stock: vmtest.Need(t, series)}
	b.tree = kbuild.Need(t, b.stock)
	path, err := b.stock.Vmlinux(t.Context())
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err == nil {
		b.kernel, err = module.OpenKernel(path)
	}
	if err == nil && series != "6.1" { // built with IBT
		b.objtool, err = b.stock.Objtool(vmtest.Context(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.kernel.Close() })
	return b
}

// build makes the update of a change of one file.
func (b *bench) build(t *testing.T, name, file, old, fresh string) *running.File {
	t.Helper()
	var sides [2]*object.Object
	for i, edits := range [][]kbuild.Edit{nil, {{Old: old, New: fresh}}} {
		path, err := b.tree.Compile(t.Context(), file, edits...)
		if err == nil && b.objtool != "" {
			path, err = b.kernel.Objtool(vmtest.Context(t), b.objtool, path, t.TempDir())
		}
		if err == nil {
			sides[i], err = elfdiff.Open(path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := elfdiff.Compare(sides[0], sides[1], elfdiff.Options{Tables: true, InPlace: true})
	if err != nil {
		t.Fatal(err)
	}
	m, err := reloc.Match(t.Context(), sides[0], b.kernel.Run(), reloc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mod, err := module.Build(b.kernel, module.Options{Name: name}, module.Pair{Diff: d, Match: m})
	if err != nil {
		t.Fatal(err)
	}
	f, err := running.ReadFile(bytes.NewReader(mod.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestKernels verifies updates in kernels that run: by the function tracer, by a jump, in place;
// then with bytes of them changed.
func TestKernels(t *testing.T) {
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) { testKernel(t, series) })
	}
}

func testKernel(t *testing.T, series string) {
	b := newBench(t, series)
	traced := b.build(t, "fix_traced", "fs/proc/cmdline.c", "seq_putc(m, '\\n');", `seq_puts(m, " by hand\n");`)
	jumps := b.build(t, "fix_jumps", "kernel/trace/trace.c", `			i == tr->clock_id ? "[" : "", trace_clocks[i].name,`, `			i == tr->clock_id ? "<" : "", trace_clocks[i].name,`)
	place := b.build(t, "fix_place", "fs/timerfd.c", "	.llseek		= noop_llseek,\n", "")
	m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, Log: vm.Policy{Taint: "OEK"}})
	files := []*running.File{traced, jumps, place}
	if series != "6.1" { // its code has a count of shifts that the kernel computes as it starts
		files = append(files, b.build(t, "fix_shift", "fs/dcache.c", "		dentry->d_lockref.count++;\n		found = dentry;\n", "		dentry->d_lockref.count++;\n		(void)READ_ONCE(dentry->d_flags);\n		found = dentry;\n"))
	}
	for _, f := range files {
		if err := m.Load(t.Context(), f.Bytes(), ""); err != nil {
			t.Fatal(err)
		}
		settle(t, m, f.Name)
	}
	img := livekernel.Open(t, m)
	r := check(t, img, files...)
	for _, f := range files {
		if u := update(t, r, f.Name); u.State != verify.Proven || len(u.Entries) != 1 {
			t.Errorf("%+v", u)
		}
	}
	if u := update(t, check(t, img), "fix_traced"); u.State != verify.Unknown || len(u.Entries) != 1 {
		t.Errorf("without its file: %+v", u)
	}
	damage(t, img, r, files)
	for _, f := range files {
		if err := m.WriteFile(t.Context(), "/sys/kernel/livepatch/"+f.Name+"/enabled", []byte("0")); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if list, err := m.ReadDir(t.Context(), "/sys/kernel/livepatch"); err == nil && len(list) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("they are still enabled")
		}
	}
	r = check(t, livekernel.Open(t, m), files...)
	for _, f := range files {
		if u := update(t, r, f.Name); u.State != verify.Inactive {
			t.Errorf("disabled: %+v", u)
		}
	}
}

// damage changes a byte of each kind of what is in effect.
func damage(t *testing.T, img *image.Image, r *verify.Report, files []*running.File) {
	at := func(name string) uint64 {
		list := img.Lookup(name)
		if len(list) != 1 {
			t.Fatalf("%d symbols %s", len(list), name)
		}
		return list[0].Addr
	}
	traced, jumps := update(t, r, "fix_traced").Entries[0], update(t, r, "fix_jumps").Entries[0]
	for _, c := range []struct {
		name string
		at   uint64
		why  string
	}{
		{"fix_traced", traced.New + 0x14, "cmdline_proc_show"},
		{"fix_traced", fentry(t, img, traced.Address), "begin with the call"},
		{"fix_traced", fentry(t, img, traced.Address) + 1, "not of the function tracer"},
		{"fix_jumps", jumps.New + 0xa, jumps.Function},
		{"fix_place", at("timerfd_fops") + 9, "does not hold"},
	} {
		bad := check(t, img.WithMemory(flipped{img, c.at}), files...)
		for i := range bad.Updates {
			u := &bad.Updates[i]
			if want := u.Name == c.name; (u.State == verify.Differs) != want || want && !strings.Contains(text(t, bad), c.why) {
				t.Errorf("%s at %#x: %+v", c.name, c.at, u)
			}
		}
	}
}

// fentry returns where the call of the function tracer is.
func fentry(t *testing.T, img *image.Image, at uint64) uint64 {
	var b [1]byte
	if err := img.ReadAddr(b[:], at); err != nil {
		t.Fatal(err)
	}
	if b[0] != 0xe8 {
		at += 4
	}
	return at
}

func text(t *testing.T, r *verify.Report) string {
	t.Helper()
	var w strings.Builder
	if err := r.Text(&w); err != nil {
		t.Fatal(err)
	}
	return w.String()
}

// flipped is memory with one byte changed.
type flipped struct {
	image.Memory
	at uint64
}

func (f flipped) ReadAddr(p []byte, addr uint64) error {
	err := f.Memory.ReadAddr(p, addr)
	if f.at >= addr && f.at-addr < uint64(len(p)) {
		p[f.at-addr] ^= 0x10
	}
	return err
}

func check(t *testing.T, img *image.Image, files ...*running.File) *verify.Report {
	t.Helper()
	begin := time.Now()
	r, err := verify.Check(t.Context(), img, files...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("in %v:\n%s", time.Since(begin), text(t, r))
	return r
}

func update(t *testing.T, r *verify.Report, name string) *verify.Update {
	t.Helper()
	for i := range r.Updates {
		if r.Updates[i].Name == name {
			return &r.Updates[i]
		}
	}
	t.Fatalf("no update %s in %+v", name, r)
	return nil
}

func settle(t *testing.T, m *vm.Machine, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := m.WaitFile(ctx, "/sys/kernel/livepatch/"+name+"/transition", "0"); err != nil {
		t.Fatal(err)
	}
}
