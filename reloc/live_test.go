package reloc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/livekernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc/audit"
	"github.com/gosplice/gosplice/reloc/image"
)

// TestLiveObjects matches the objects of a folder with the memory of a running
// kernel in each set-up, and in each state; in long runs without symbols as well. Those of a whole kernel, or of the
// files of TestLive, have the functions that are traced and probed.
func TestLiveObjects(t *testing.T) {
	dir, path, rest := longRun(t, "boots a release, and matches objects with it", testenv.Release)
	release := rest[0]
	b := &liveBench{stock: vmtest.Need(t, release), paths: objectsIn(t, dir), oracle: openOracle(t, path), image: path, dir: dir}
	b.oracle.running = true
	for _, s := range livekernel.Setups() {
		t.Run(s.Name, func(t *testing.T) {
			s.Opt.Kernel = &b.stock.Kernel
			if strings.HasPrefix(release, "6.12") {
				s.Opt.CPUs = 1 // see TestLive
			}
			m := vmtest.New(t, s.Opt)
			img := still(t, m)
			opts := []Options{{}}
			if testenv.Asked(testenv.Long) {
				opts = append(opts, Options{NoSymbols: true})
			}
			for _, opt := range opts {
				judgeAll(t, dir, b.paths, img, b.oracle, opt)
			}
			if s.Name == "auto" {
				t.Run("states", func(t *testing.T) { b.states(t, b.single(t, s.Opt, m)) })
			}
		})
	}
}

// judgeAll matches objects with a running kernel and complains about what the
// oracle does.
func judgeAll(t *testing.T, dir string, paths []string, img *image.Image, o *kernelOracle, opt Options) *Set {
	t.Helper()
	begin := time.Now()
	s, set := matchSet(t, paths, img, o, img.Modules()[0].Bias, opt)
	for _, line := range s.log {
		t.Log(strings.TrimPrefix(line, dir))
	}
	t.Logf("moved by %#x, %v: %v", img.Modules()[0].Bias, time.Since(begin), s)
	if s.wrong+s.missing > 0 {
		t.Errorf("search %v: %d wrong, %d unresolved", opt.NoSymbols, s.wrong, s.missing)
	}
	return set
}

// liveSources are a sample with every kind of site that C code has.
var liveSources = []string{"fs/read_write.c", "fs/dcache.c", "fs/proc/cmdline.c", "kernel/pid.c", "kernel/sched/core.c", "net/core/dev.c", "mm/memory.c"}

// liveBench is what the tests of one running kernel share.
type liveBench struct {
	stock  *debkernel.Kernel
	paths  []string
	oracle *kernelOracle
	image  string         // path of the vmlinux
	dir    string         // of the objects
	seen   map[string]int // by row: sites that were found rewritten
}

func newLiveBench(t *testing.T, series string) *liveBench {
	t.Helper()
	b := &liveBench{stock: vmtest.Need(t, series)}
	tree := kbuild.Need(t, b.stock)
	var err error
	if b.paths, err = tree.CompileAll(t.Context(), liveSources...); err != nil {
		t.Fatal(err)
	}
	path, err := b.stock.Vmlinux(vmtest.Context(t))
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.oracle, b.image = openOracle(t, path), path
	b.oracle.running = true
	return b
}

// TestLive matches a sample with kernels that run: as they boot with different
// processors and mitigations, and then with what people do to them.
func TestLive(t *testing.T) {
	vmtest.Long(t)
	seen := make(map[string]int)
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) {
			b := newLiveBench(t, series)
			b.seen = seen
			for _, s := range livekernel.Setups() {
				if s.Long && !testenv.Asked(testenv.Long) && !withModules(s.Name) {
					continue
				}
				t.Run(s.Name, func(t *testing.T) {
					s.Opt.Kernel = &b.stock.Kernel
					if series == "6.12" {
						s.Opt.CPUs = 1 // with two, its code patching was seen to trip over the emulator
					}
					m := vmtest.New(t, s.Opt)
					img := still(t, m)
					judgeAll(t, "", b.paths, img, b.oracle, Options{})
					b.countRows(t, img, seen)
					if s.Name == "auto" {
						t.Run("states", func(t *testing.T) { b.states(t, b.single(t, s.Opt, m)) })
					}
					if withModules(s.Name) {
						t.Run("modules", func(t *testing.T) { matchModules(t, m, series, s.Name) })
					}
				})
			}
		})
	}
	checkRows(t, seen)
}

// still returns what the kernel of a machine has in memory now. It is looked at by each
// object and row, and each small read of a machine's file takes its time.
func still(t *testing.T, m *vm.Machine) *image.Image {
	t.Helper()
	img, _ := livekernel.Snapshot(t, livekernel.Open(t, m))
	return img
}

// single returns a machine with one processor: code that is patched while others
// run was seen to make the emulator hang, with 6.1 too.
func (b *liveBench) single(t *testing.T, opt vm.Options, m *vm.Machine) *vm.Machine {
	t.Helper()
	if opt.CPUs < 2 {
		return m
	}
	opt.CPUs = 1
	return vmtest.New(t, opt)
}

const tracing = "/sys/kernel/tracing/"

// states has tracers, probes and keys switched on and off, one after the other.
func (b *liveBench) states(t *testing.T, m *vm.Machine) {
	write := func(path, text string) {
		t.Helper()
		if err := m.WriteFile(t.Context(), path, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(name string, want ...string) {
		t.Helper()
		img := still(t, m)
		set := judgeAll(t, b.dir, b.paths, img, b.oracle, Options{})
		b.audit(t, img, enabledFunctions(t, m), want)
		if got := patchesIn(set, want); strings.Join(got, "; ") != strings.Join(want, "; ") {
			t.Errorf("%s: patches %q, want %q", name, got, want)
		}
	}
	check("idle")

	write(tracing+"set_ftrace_filter", "vfs_fsync* ksys_sync")
	write(tracing+"set_ftrace_filter", "find_vpid")
	write(tracing+"current_tracer", "function")
	check("tracer", fmt.Sprintf("find_vpid+%#x traced", b.fentry(t, "find_vpid")))
	write(tracing+"current_tracer", "nop")

	const probed = "cmdline_proc_show" // with one return: others have int3 in their midst, which no probe may stand in front of
	at := b.behindFentry(t, probed)
	write("/proc/sys/debug/kprobes-optimization", "0")
	write(tracing+"kprobe_events", fmt.Sprintf("p:gosplice %s+%d", probed, at))
	write(tracing+"events/kprobes/gosplice/enable", "1")
	check("kprobe", fmt.Sprintf("%s+%#x breakpoint", probed, at))
	write("/proc/sys/debug/kprobes-optimization", "1")
	if optimised(t, m) {
		check("optimised kprobe", fmt.Sprintf("%s+%#x probe jump", probed, at))
	}
	write(tracing+"events/kprobes/gosplice/enable", "0")
	write(tracing+"kprobe_events", "-:gosplice")

	write("/proc/sys/kernel/sched_schedstats", "1")
	check("static key")
	if b.seen != nil {
		b.countRows(t, still(t, m), b.seen)
	}
	write("/proc/sys/kernel/sched_schedstats", "0")
	check("idle again")
}

// enabledFunctions lists the functions of which the kernel itself says that they
// are traced.
func enabledFunctions(t *testing.T, m *vm.Machine) []string {
	t.Helper()
	list, err := m.ReadFile(t.Context(), tracing+"enabled_functions")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(list)) {
		if f := strings.Fields(line); len(f) > 0 {
			out = append(out, f[0])
		}
	}
	return out
}

// audit compares the whole kernel with its file. It has to find the functions
// that are traced, and of the patches that are wanted all others.
func (b *liveBench) audit(t *testing.T, img *image.Image, traced, want []string) {
	t.Helper()
	begin := time.Now()
	a, err := audit.Kernel(t.Context(), b.image, img)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Findings[:min(len(a.Findings), 20)] {
		t.Error(&a.Findings[i])
	}
	t.Logf("audit, %v: %d bytes, %d fields moved, %d sites, %d of them by their place only, %d patches, %d findings",
		time.Since(begin), a.Bytes, a.Moved, a.Sites, a.Opaque, len(a.Patches), len(a.Findings))
	var calls, got []string
	for _, p := range a.Patches {
		text := fmt.Sprintf("%s+%#x %v", livekernel.NameAt(img, p.Address), p.Offset, p.Kind)
		if p.Kind == PatchTraced {
			calls = append(calls, livekernel.NameAt(img, p.Address))
		}
		if p.Kind != PatchTraced || slices.Contains(want, text) {
			got = append(got, text)
		}
	}
	slices.Sort(calls)
	slices.Sort(traced)
	if !slices.Equal(calls, traced) {
		t.Errorf("audit: %q are traced, the kernel says %q", calls, traced)
	}
	if !slices.Equal(got, want) {
		t.Errorf("audit: patches %q, want %q", got, want)
	}
}

// patchesIn lists the patches of all functions, but for the calls of tracers that
// are not wanted: the machine itself may trace something.
func patchesIn(set *Set, want []string) []string {
	var out []string
	for _, r := range set.Results {
		for _, f := range r.Functions {
			for _, p := range f.Patches {
				if text := fmt.Sprintf("%s+%#x %v", f.Name, p.Offset, p.Kind); p.Kind != PatchTraced || slices.Contains(want, text) {
					out = append(out, text)
				}
			}
		}
	}
	return out
}

// fentry returns the offset of a function's call of the tracer.
func (b *liveBench) fentry(t *testing.T, name string) uint64 {
	t.Helper()
	_, off := b.find(t, name)
	return off
}

// behindFentry returns the offset of the instruction behind that.
func (b *liveBench) behindFentry(t *testing.T, name string) uint64 {
	t.Helper()
	_, off := b.find(t, name)
	return off + 5
}

func (b *liveBench) find(t *testing.T, name string) (*object.Atom, uint64) {
	t.Helper()
	for _, path := range b.paths {
		pre := mustOpen(t, path)
		for _, a := range pre.Functions() {
			for i := range a.Refs {
				if a.Name == name && pre.Symbol(a.Refs[i].Sym).Name == "__fentry__" {
					return a, a.Refs[i].Offset - 1
				}
			}
		}
	}
	t.Fatalf("no object has %s", name)
	return nil, 0
}

// optimised waits until the kernel has optimised its probe.
func optimised(t *testing.T, m *vm.Machine) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		list, err := m.ReadFile(ctx, "/sys/kernel/debug/kprobes/list")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(list), "[OPTIMIZED]") {
			return true
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Log("the kernel did not optimise the probe")
	return false
}
