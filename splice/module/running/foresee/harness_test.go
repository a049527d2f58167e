package foresee_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
	"github.com/gosplice/gosplice/splice/module/running"
	"github.com/gosplice/gosplice/splice/module/running/foresee"
)

// A bench makes livepatches for one kernel, and has it in a guest.
type bench struct {
	stock   *debkernel.Kernel
	tree    *kbuild.Tree
	kernel  *module.Kernel
	objtool string // "" where the build has run it
	vm      *vm.Machine
}

func newBench(t *testing.T, series string, log vm.Policy) *bench {
	t.Helper()
	return boot(t, series, vm.Options{Log: log})
}

// boot is newBench with a machine of its own kind.
func boot(t *testing.T, series string, o vm.Options) *bench {
	t.Helper()
	stock := vmtest.Need(t, series)
	b := &bench{stock: stock, tree: kbuild.Need(t, stock)}
	ctx := vmtest.Context(t)
	path, err := stock.Vmlinux(ctx)
	if err == nil {
		b.kernel, err = module.OpenKernel(path)
	}
	if err == nil && series != "6.1" {
		b.objtool, err = stock.Objtool(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	o.Kernel = &stock.Kernel
	b.vm = vmtest.New(t, o)
	const own = "splice/module/running/foresee/testdata/"
	for name, pkg := range map[string]string{"livectl": "examples/livectl", "waiter": own + "waiter", "fentry": own + "fentry", "caller": own + "caller", "cycler": own + "cycler", "sleeper": "splice/module/testdata/sleeper"} {
		exe, err := vmtest.BuildProgram(ctx, "github.com/gosplice/gosplice/"+pkg)
		if err == nil {
			err = b.vm.Put(ctx, "/bin/"+name, exe, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// ours makes a module of package module, of a change of one file.
func (b *bench) ours(t *testing.T, name, file string, accept []elfdiff.Acceptance, edits ...string) []byte {
	t.Helper()
	return b.made(t, module.Options{Name: name, Accept: accept}, change{file: file, edits: edits})
}

// A change is one of a file: pairs of old and new text.
type change struct {
	file    string
	edits   []string
	inPlace bool // constants are overwritten
}

// made makes a module of package module, of changes of some files.
func (b *bench) made(t *testing.T, opt module.Options, changes ...change) []byte {
	t.Helper()
	var pairs []module.Pair
	for _, c := range changes {
		pairs = append(pairs, b.pair(t, c))
	}
	mod, err := module.Build(b.kernel, opt, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return mod.Bytes()
}

func (b *bench) pair(t *testing.T, c change) module.Pair {
	t.Helper()
	var list []kbuild.Edit
	for i := 0; i+1 < len(c.edits); i += 2 {
		list = append(list, kbuild.Edit{Old: c.edits[i], New: c.edits[i+1]})
	}
	pre, post := b.object(t, c.file), b.object(t, c.file, list...)
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true, InPlace: c.inPlace})
	if err != nil {
		t.Fatal(err)
	}
	m, err := reloc.Match(t.Context(), pre, b.kernel.Run(), reloc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return module.Pair{Diff: d, Match: m}
}

func (b *bench) object(t *testing.T, file string, edits ...kbuild.Edit) *object.Object {
	t.Helper()
	path, err := b.tree.Compile(t.Context(), file, edits...)
	if err == nil && b.objtool != "" {
		path, err = b.kernel.Objtool(t.Context(), b.objtool, path, t.TempDir())
	}
	if err != nil {
		t.Fatal(err)
	}
	o, err := elfdiff.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// host is a file of a module of the kernel, whose options and place others are compiled with.
const host = "net/8021q/vlan_netlink.c"

// plain compiles a module as others make it: without this package, and without modpost.
func (b *bench) plain(t *testing.T, name, body string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.tree.Dir, host))
	if err != nil {
		t.Fatal(err)
	}
	compile := func(crcs string) []byte {
		source := strings.NewReplacer("NAME", name, "BODY", body, "CRCS", crcs).Replace(frame)
		path, err := b.tree.Compile(t.Context(), host, kbuild.Edit{Old: string(text), New: source})
		if err == nil && b.objtool != "" {
			path, err = b.kernel.Objtool(t.Context(), b.objtool, path, t.TempDir())
		}
		if err != nil {
			t.Fatal(err)
		}
		image, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	ko, err := kofile.Parse(compile(""))
	if err != nil {
		t.Fatal(err)
	}
	crcs, err := b.crcs(t.Context(), append(ko.Imports(), "module_layout")...)
	if err != nil {
		t.Fatal(err)
	}
	return compile(crcs)
}

// frame is what modpost and headers would add.
const frame = `#define INCLUDE_VERMAGIC
#undef KBUILD_MODNAME
#define KBUILD_MODNAME "NAME"
#include <linux/module.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/delay.h>
#include <linux/livepatch.h>
#include <linux/seq_file.h>
#include <linux/vermagic.h>
BODY
MODULE_LICENSE("GPL");
MODULE_INFO(name, "NAME");
MODULE_INFO(vermagic, VERMAGIC_STRING);
MODULE_INFO(retpoline, "Y");
int init_module(void);
void cleanup_module(void);
struct module mod __attribute__((section(".gnu.linkonce.this_module"))) __used = {
	.name = "NAME", .init = init_module, .exit = cleanup_module,
};
asm(".globl __this_module\n.set __this_module, mod\n");
static const struct modversion_info versions[] __used __attribute__((section("__versions"))) = {
CRCS};
`

// crcs are rows of struct modversion_info.
func (b *bench) crcs(ctx context.Context, names ...string) (string, error) {
	path, err := b.stock.Symvers(ctx)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		for _, n := range names {
			if len(f) > 1 && f[1] == n {
				fmt.Fprintf(&out, "\t{ %s, %q },\n", f[0], n)
			}
		}
	}
	return out.String(), nil
}

// replacing is the body of a plain livepatch that replaces functions like cmdline_proc_show.
func replacing(more string, functions ...string) string {
	var funcs strings.Builder
	for _, f := range functions {
		fmt.Fprintf(&funcs, "	{ .old_name = %q, .new_func = new_show },\n", f)
	}
	return `
static noinline int new_show(struct seq_file *m, void *v) { seq_puts(m, "plain\n"); return 0; }
static struct klp_func funcs[] = {
` + funcs.String() + `	{ }
};
static struct klp_object objs[] = { { .funcs = funcs }, { } };
static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objs, ` + more + ` };
int init_module(void) { return klp_enable_patch(&patch); }
void cleanup_module(void) { }
MODULE_INFO(livepatch, "Y");
`
}

// put writes a file into the guest.
func (b *bench) put(t *testing.T, path string, image []byte) string {
	t.Helper()
	if err := b.vm.Put(t.Context(), path, image, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// write writes to a file of the guest.
func (b *bench) write(t *testing.T, path, text string) {
	t.Helper()
	if err := b.vm.WriteFile(t.Context(), path, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// A said is what livectl prints when it does something.
type said struct {
	List       []splice.Report     `json:"list"`
	Transition *running.Transition `json:"transition"`
	Error      string              `json:"error"`
}

// livectl runs the tool in the guest.
func (b *bench) livectl(t *testing.T, v any, args ...string) (status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	r, err := b.vm.Run(ctx, vm.Command{Path: "/bin/livectl", Args: append([]string{"-json"}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(bytes.NewReader(r.Stdout)).Decode(v); err != nil {
		t.Logf("%v: %d, %v, %s", args, r.Status, err, r.Stderr)
	}
	return r.Status
}

// start runs a program of the guest until it is stopped.
func (b *bench) start(t *testing.T, path string, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := b.vm.Run(ctx, vm.Command{Path: path, Args: args}); err != nil && !errors.Is(err, context.Canceled) {
			t.Log(err)
		}
	}()
	return func() { cancel(); <-done }
}

// check has livectl foretell.
func (b *bench) check(t *testing.T, path string) *foresee.Forecast {
	t.Helper()
	f := &foresee.Forecast{}
	b.livectl(t, f, "check", path)
	return f
}
