package image_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	. "github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/image/gdb"
)

// loadedModules are loaded for TestRunningKernel: between them they have most of
// what a module may hold.
var loadedModules = []string{"dummy", "overlay", "nf_conntrack", "veth"}

// TestRunningKernel boots kernels where KASLR puts them and opens each through
// /proc/kcore, through the port for debuggers and as a dump.
func TestRunningKernel(t *testing.T) {
	vmtest.Long(t)
	for _, release := range vmtest.Releases() {
		t.Run(release, func(t *testing.T) {
			k := vmtest.Need(t, release)
			path, err := k.Vmlinux(vmtest.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			port := filepath.Join(t.TempDir(), "gdb")
			m := vmtest.New(t, vm.Options{Kernel: &k.Kernel, CPUs: 2, GDB: port, Modules: loadedModules})
			begin := time.Now()
			img, err := NewRunning(m.FS(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			defer img.Close()
			t.Logf("opened %v after start", time.Since(begin))
			full := MustKernel(t, path)
			checkSlide(t, full, MustKernel(t, k.Image), img)
			checkSameConstants(t, full, img)
			for _, name := range loadedModules {
				checkLoadedModule(t, m, img, name)
			}
			text := readSpan(t, img, "_text", "_etext")
			checkDump(t, img, text, path)
			gdb, err := gdb.Open(t.Context(), "unix:"+port, k.Image)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := gdb.Modules()[0], img.Modules()[0]; a.Bias != b.Bias || !bytes.Equal(a.BuildID, b.BuildID) {
				t.Errorf("by gdb %+v, by kcore %+v", a, b)
			}
			if !bytes.Equal(readSpan(t, gdb, "_text", "_etext"), text) {
				t.Error("the bytes of text differ between gdb and kcore")
			}
			if err := gdb.Close(); err != nil {
				t.Error(err)
			}
			// The guest runs on, and may hide what it showed.
			if err := m.WriteFile(t.Context(), "/proc/sys/kernel/kptr_restrict", []byte("2\n")); err != nil {
				t.Fatal(err)
			}
			if _, err := NewRunning(m.FS(t.Context())); !errors.Is(err, ErrHidden) {
				t.Errorf("with kptr_restrict: %v", err)
			}
		})
	}
}

func readSpan(t testing.TB, img *Image, from, to string) []byte {
	t.Helper()
	lo, hi := One(t, img, from).Addr, One(t, img, to).Addr
	b := make([]byte, hi-lo)
	if err := img.ReadAddr(b, lo); err != nil {
		t.Fatal(err)
	}
	return b
}

// checkSlide: all symbols of the kernel are those of its files, moved by one
// distance.
func checkSlide(t *testing.T, full, packed, img *Image) {
	t.Helper()
	mod := img.Modules()[0]
	t.Logf("slide %#x, %d modules, %d symbols", mod.Bias, len(img.Modules()), len(img.Symbols()))
	if mod.Bias != One(t, img, "_text").Addr-One(t, full, "_text").Addr || mod.Bias%KaslrAlign != 0 {
		t.Errorf("slide %#x", mod.Bias)
	}
	if !bytes.Equal(mod.BuildID, full.Modules()[0].BuildID) {
		t.Errorf("build-id %x, of vmlinux %x", mod.BuildID, full.Modules()[0].BuildID)
	}
	want := make(map[placed]int)
	for p, n := range census(packed, func(*Symbol) bool { return true }) {
		if IsImageAddr(p.addr) {
			p.addr += mod.Bias
		}
		want[p] = n
	}
	got := census(img, func(s *Symbol) bool { return s.Module == 0 })
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(placed{})); diff != "" {
		t.Errorf("symbols (-vmlinuz +kallsyms):\n%.2000s", diff)
	}
}

// checkSameConstants: what nothing relocates is as in the file, and code mostly.
func checkSameConstants(t *testing.T, full, img *Image) {
	t.Helper()
	for _, span := range [][2]string{{"__start_BTF", "__stop_BTF"}} {
		if !bytes.Equal(readSpan(t, full, span[0], span[1]), readSpan(t, img, span[0], span[1])) {
			t.Errorf("%s to %s differ", span[0], span[1])
		}
		if r := img.RegionAt(One(t, img, span[0]).Addr); r == nil || r.Write || r.Exec || !r.Read || r.Module != 0 {
			t.Errorf("%s is in %+v", span[0], r)
		}
	}
	a, b := readSpan(t, full, "_text", "_etext"), readSpan(t, img, "_text", "_etext")
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	t.Logf("%d of %d bytes of text differ", n, len(a))
	if n > len(a)/10 {
		t.Error("that is too much")
	}
	for name, want := range map[string]Region{
		"schedule":          {Read: true, Exec: true, Volatile: true},
		"linux_banner":      {Read: true},
		"jiffies":           {Read: true, Write: true, Volatile: true},
		"rest_init":         {Read: true, Exec: true, Volatile: true},
		"start_kernel":      {Volatile: true, Freed: true},
		"system_state":      {Read: true, Write: true, Volatile: true},
		"__jump_table":      {},
		"x86_cpu_to_apicid": {Write: true, Volatile: true},
	} {
		list := img.Lookup(name)
		if len(list) != 1 {
			continue
		}
		r := img.RegionAt(list[0].Addr)
		if r == nil {
			t.Errorf("%s is in no region", name)
			continue
		}
		got := *r
		got.Start, got.End = 0, 0
		if got != want {
			t.Errorf("%s is in %+v, want %+v", name, got, want)
		}
	}
}

// checkLoadedModule compares a module in memory with what OpenModule makes of its
// file at the same addresses: constants are equal, code but for what the kernel
// rewrites.
func checkLoadedModule(t *testing.T, m *vm.Machine, img *Image, name string) {
	t.Helper()
	index := slices.IndexFunc(img.Modules(), func(x Module) bool { return x.Name == name })
	if index < 0 {
		t.Errorf("%s is not among the modules", name)
		return
	}
	sections, err := ReadSections(m.FS(t.Context()), name)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name+".ko")
	b, err := m.Kernel.Module(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ko, err := OpenModule(file, ModuleOptions{Kernel: img, Sections: sections})
	if err != nil {
		t.Fatal(err)
	}
	if mod := ko.Modules()[0]; !bytes.Equal(mod.BuildID, img.Modules()[index].BuildID) || mod.Name != name {
		t.Errorf("%s: build-id %x, in memory %x", mod.Name, mod.BuildID, img.Modules()[index].BuildID)
	}
	checkModuleSymbols(t, img, ko, index)
	checkModuleBytes(t, img, ko, index)
}

func checkModuleSymbols(t *testing.T, img, ko *Image, index int) {
	t.Helper()
	have := make(map[placed]bool)
	for _, s := range img.Symbols() {
		if s.Module == index {
			have[placed{s.Name, s.Addr}] = true
		}
	}
	n, missing := 0, 0
	for _, s := range ko.Symbols() {
		r := img.RegionAt(s.Addr)
		if s.Module == NoModule || r == nil || r.Unknown || r.Freed || s.Type != elf.STT_FUNC && s.Type != elf.STT_OBJECT || strings.HasPrefix(s.Name, "__UNIQUE_ID") {
			continue // undefined, freed, per-CPU
		}
		n++
		if r.Module != index {
			t.Errorf("%s at %#x is in %+v", s.Name, s.Addr, r)
		}
		if !have[placed{s.Name, s.Addr}] {
			if missing++; missing < 10 {
				t.Errorf("%s at %#x is not in kallsyms", s.Name, s.Addr)
			}
		}
	}
	t.Logf("%s: %d symbols", img.Modules()[index].Name, n)
}

// sortedAtLoad are sections whose entries the kernel sorts.
var sortedAtLoad = map[string]bool{"__ex_table": true, ".orc_unwind": true, ".orc_unwind_ip": true, "__mcount_loc": true}

func checkModuleBytes(t *testing.T, img, ko *Image, index int) {
	t.Helper()
	for _, s := range PlacedSections(ko) {
		live := img.RegionAt(s.Addr)
		want := s.Region
		if s.AfterInit {
			want.Write = false // by now
		}
		if live == nil || live.Exec != want.Exec || live.Write != want.Write || live.Module != index || s.Addr+s.Size > live.End {
			t.Errorf("section %s %#x-%#x is in %+v", s.Name, s.Addr, s.Addr+s.Size, live)
			continue
		}
		if want.Write || s.AfterInit || sortedAtLoad[s.Name] {
			continue
		}
		a, b := make([]byte, s.Size), make([]byte, s.Size)
		if err := errors.Join(ko.ReadAddr(a, s.Addr), img.ReadAddr(b, s.Addr)); err != nil {
			t.Error(err)
		}
		n := 0
		for i := range a {
			if a[i] != b[i] {
				n++
			}
		}
		if n > 0 && !want.Exec || n > len(a)/5 {
			t.Errorf("section %s: %d of %d bytes differ", s.Name, n, len(a))
		}
	}
}

// checkDump writes a part of the memory to a file, and opens that.
func checkDump(t *testing.T, img *Image, text []byte, vmlinux string) {
	t.Helper()
	lo, hi := One(t, img, "_text").Addr, One(t, img, "__end_rodata").Addr
	b := make([]byte, hi-lo)
	if err := img.ReadAddr(b, lo); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dump")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, symbols := range []string{"", vmlinux} {
		dump, err := OpenDump(path, Dump{Base: lo, Symbols: symbols})
		if err != nil {
			t.Fatal(err)
		}
		defer dump.Close()
		if !bytes.Equal(readSpan(t, dump, "_text", "_etext"), text) {
			t.Error("the bytes of text differ between dump and kcore")
		}
		if !bytes.Equal(dump.Modules()[0].BuildID, img.Modules()[0].BuildID) {
			t.Errorf("build-id %x", dump.Modules()[0].BuildID)
		}
		for _, s := range dump.Lookup("schedule") {
			if want := One(t, img, "schedule").Addr; s.Addr != want {
				t.Errorf("schedule at %#x, want %#x", s.Addr, want)
			}
		}
		if err := dump.ReadAddr(make([]byte, 1), hi); !errors.Is(err, ErrUnmapped) {
			t.Errorf("behind the dump: %v", err)
		}
	}
	if _, err := OpenDump(path, Dump{Base: lo + 0x1000, Symbols: vmlinux}); !errors.Is(err, ErrNoKernel) {
		t.Errorf("at the wrong address: %v", err)
	}
}
