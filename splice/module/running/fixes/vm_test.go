package fixes_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/livekernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running/fixes"
)

func edit(old, fresh string) []kbuild.Edit { return []kbuild.Edit{{Old: old, New: fresh}} }

// changes are fixes of several kinds: another literal, a new function, another callee with the
// same bytes, a constant.
func changes() map[string]*change {
	list := []*change{
		{"CVE-1", "fs/proc/cmdline.c", edit("seq_putc(m, '\\n');", `seq_puts(m, " by hand\n");`)},
		{"CVE-2", "fs/proc/uptime.c", append(
			edit("static int uptime_proc_show(", "static noinline void more_noise(void) { pr_info_once(\"noise\\n\"); }\nstatic int uptime_proc_show("),
			edit("	idle.tv_sec = ", "	more_noise();\n	idle.tv_sec = ")...)},
		{"CVE-3", "fs/proc/version.c", edit("utsname()->release,", "utsname()->version,")},
		{"CVE-4", "fs/filesystems.c", edit("write_lock(&file_systems_lock);\n	p = find_filesystem", "write_lock_bh(&file_systems_lock);\n	p = find_filesystem")},
		{"CVE-5", "fs/proc/loadavg.c", edit("get_avenrun(avnrun, FIXED_1/200, 0);", "get_avenrun(avnrun, FIXED_1/100, 0);")},
	}
	out := map[string]*change{}
	for _, c := range list {
		out[c.name] = c
	}
	return out
}

// TestKernels looks for fixes in kernels that run: some live by updates, some not, one damaged.
func TestKernels(t *testing.T) {
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) { testKernel(t, series) })
	}
}

func testKernel(t *testing.T, series string) {
	b, all := newBench(t, series), changes()
	loaded := b.build(t, "fix_both", all["CVE-1"], all["CVE-2"])
	idle := b.build(t, "fix_others", all["CVE-3"], all["CVE-4"])
	single := b.build(t, "fix_single", all["CVE-5"])
	m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, Log: vm.Policy{Taint: "OEK"}})
	sources := []*fixes.Source{source(t, loaded), source(t, idle), source(t, single)}
	none := map[string]fixes.State{"CVE-1": fixes.NotFixed, "CVE-2": fixes.NotFixed, "CVE-3": fixes.NotFixed, "CVE-4": fixes.NotFixed, "CVE-5": fixes.NotFixed}
	want(t, livekernel.Open(t, m), sources, none)
	for _, u := range []*module.Module{loaded, single} {
		if err := m.Load(t.Context(), u.Bytes(), ""); err != nil {
			t.Fatal(err)
		}
		settle(t, m, u.Name)
	}
	img := livekernel.Open(t, m)
	want(t, img, sources, map[string]fixes.State{"CVE-1": fixes.Fixed, "CVE-2": fixes.Fixed, "CVE-3": fixes.NotFixed, "CVE-4": fixes.NotFixed, "CVE-5": fixes.Fixed})
	if testenv.Asked(testenv.Long) { // emulated, it takes half a minute
		tool(t, m, loaded, idle, single)
	}
	if testenv.Asked(testenv.Long) || series == "6.1" { // the memory of the whole kernel is read for it
		t.Run("flips", func(t *testing.T) { flips(t, img, sources) })
	}
}

// tool has livectl in the guest say the same, and write its files.
func tool(t *testing.T, m *vm.Machine, updates ...*module.Module) {
	exe, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/examples/livectl")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Put(t.Context(), "/bin/livectl", exe, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"fixes", "-vex", "/vex.json", "-author", "somebody", "-metrics", "/fixes.prom"}
	var paths []string
	for _, u := range updates {
		paths = append(paths, "/"+u.Name+".ko")
		if err := m.Put(t.Context(), "/"+u.Name+".ko", u.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{append(args, paths...), 2, "3 fixed, 2 not fixed, 0 undecided\n"},
		{append([]string{"verify"}, paths...), 0, ": it is not loaded\n"},
		{[]string{"verify"}, 2, "its file is not given"},
	} {
		begin := time.Now()
		r, err := m.Run(t.Context(), vm.Command{Path: "/bin/livectl", Args: c.args})
		if err != nil || r.Status != c.status || !strings.Contains(string(r.Stdout), c.want) {
			t.Errorf("%v: %+v, %v", c.args, r, err)
			continue
		}
		t.Logf("%v: %v\n%s", c.args, time.Since(begin), r.Stdout)
	}
	for path, want := range map[string]string{"/vex.json": `"status": "affected"`, "/fixes.prom": `gosplice_fixes{state="fixed"} 3`} {
		b, err := m.ReadFile(t.Context(), path)
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %s, %v", path, b, err)
		}
	}
}

// settle waits for the end of a transition.
func settle(t *testing.T, m *vm.Machine, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := m.WaitFile(ctx, "/sys/kernel/livepatch/"+name+"/transition", "0"); err != nil {
		t.Fatal(err)
	}
}

// source reads what a module has, by way of its file.
func source(t *testing.T, m *module.Module) *fixes.Source {
	t.Helper()
	back, err := module.Read(bytes.NewReader(m.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := fixes.Of(back)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// want checks what is found.
func want(t *testing.T, img *image.Image, sources []*fixes.Source, states map[string]fixes.State) *fixes.Report {
	t.Helper()
	begin := time.Now()
	r, err := fixes.Check(t.Context(), img, sources...)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d fixes in %v\n%s", len(r.Fixes), time.Since(begin), &text)
	if states == nil {
		return r
	}
	if len(r.Fixes) != len(states) {
		t.Errorf("%d fixes, want %d", len(r.Fixes), len(states))
	}
	for i := range r.Fixes {
		if f := &r.Fixes[i]; f.State != states[f.Name] {
			t.Errorf("%s is %s, want %s: %s: %+v", f.Name, f.State, states[f.Name], f.Why, f.Functions)
		}
	}
	return r
}

// changed is memory that was read once, with bytes changed.
type changed struct {
	from  image.Memory
	mu    *sync.Mutex
	pages map[uint64][]byte
	flip  map[uint64]byte
}

const page = 4096

// ReadAddr reads memory by pages.
func (c *changed) ReadAddr(p []byte, addr uint64) error {
	for n := 0; n < len(p); {
		at := addr + uint64(n)
		b, err := c.page(at &^ (page - 1))
		if err != nil {
			return c.from.ReadAddr(p, addr)
		}
		n += copy(p[n:], b[at%page:])
	}
	for at, x := range c.flip {
		if at >= addr && at-addr < uint64(len(p)) {
			p[at-addr] ^= x
		}
	}
	return nil
}

func (c *changed) page(at uint64) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.pages[at]; ok {
		return b, nil
	}
	b := make([]byte, page)
	err := c.from.ReadAddr(b, at)
	if err == nil {
		c.pages[at] = b
	}
	return b, err
}

// frozen returns an image as it is now, with bytes of it changed.
func frozen(img *image.Image) func(flip map[uint64]byte) *image.Image {
	c := changed{from: img, mu: new(sync.Mutex), pages: map[uint64][]byte{}}
	return func(flip map[uint64]byte) *image.Image {
		d := c
		d.flip = flip
		return img.WithMemory(&d)
	}
}

// flips changes bytes of the code that runs of each function, and of the way to it: what has the
// byte is undecided then, and nothing else.
func flips(t *testing.T, img *image.Image, sources []*fixes.Source) {
	testenv.Serial(t)
	with := frozen(img)
	states := map[string]fixes.State{}
	before := want(t, with(nil), sources, nil)
	for i := range before.Fixes {
		states[before.Fixes[i].Name] = before.Fixes[i].State
	}
	n, same := 0, 0
	for i := range before.Fixes {
		f := &before.Fixes[i]
		for k := range f.Functions {
			x := &f.Functions[k]
			if x.Address == 0 {
				continue
			}
			for off := uint64(0); off < 96; off += 7 {
				sym, _, ok := img.SymbolAt(x.Address + off)
				if !ok || sym.Addr != x.Address {
					break
				}
				r, err := fixes.Check(t.Context(), with(map[uint64]byte{x.Address + off: 1 << (off % 8)}), sources...)
				if err != nil {
					t.Fatal(err)
				}
				n++
				for j := range r.Fixes {
					g := &r.Fixes[j]
					switch {
					case g.Name != f.Name && g.State != states[g.Name]:
						t.Errorf("%s+%#x: %s is %s: %s", x.Name, off, g.Name, g.State, g.Why)
					case g.Name == f.Name && g.State == states[g.Name] && x.New && g.State == fixes.NotFixed: // it is not needed
					case g.Name == f.Name && g.State == states[g.Name]:
						same++
						t.Logf("%s+%#x: %s stays %s", x.Name, off, g.Name, g.State)
					case g.Name == f.Name && g.State != fixes.Undecided:
						t.Errorf("%s+%#x: %s is %s: %s", x.Name, off, g.Name, g.State, g.Why)
					}
				}
			}
		}
	}
	t.Logf("%d bytes changed; with %d of them it stays as it was", n, same)
}
