package image

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gosplice/gosplice/reloc/image/internal/fakekernel"
)

func TestNewRunning(t *testing.T) {
	img, err := NewRunning(fakekernel.Root())
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if len(img.Modules()) != 2 {
		t.Fatalf("modules %+v", img.Modules())
	}
	k, m := img.Modules()[0], img.Modules()[1]
	if k.Name != "vmlinux" || k.Bias != fakekernel.Slide || !bytes.Equal(k.BuildID, fakekernel.ID) || k.Start != 0xffffffff93000000 || k.End != 0xffffffff93005000 {
		t.Errorf("kernel %+v", k)
	}
	if m.Name != "mod" || !bytes.Equal(m.BuildID, fakekernel.ID[:8]) || m.Start != 0xffffffffc0400000 || m.End != 0xffffffffc0406000 {
		t.Errorf("module %+v", m)
	}
	for _, tt := range []struct {
		addr uint64
		want Region
	}{
		{0xffffffff93000010, Region{Start: 0xffffffff93000000, End: 0xffffffff93000800, Read: true, Exec: true, Volatile: true}},
		{0xffffffff93001100, Region{Start: 0xffffffff93001000, End: 0xffffffff93001200, Read: true}},
		{0xffffffff93001200, Region{Start: 0xffffffff93001200, End: 0xffffffff93001300, Read: true, Volatile: true}},
		{0xffffffff93002010, Region{Start: 0xffffffff93002000, End: 0xffffffff93003000, Read: true, Write: true, Volatile: true}},
		{0xffffffff93003008, Region{Start: 0xffffffff93003000, End: 0xffffffff93004000, Volatile: true, Freed: true}},
		{0x40, Region{Start: 0, End: 0x1000, Write: true, Volatile: true}},
		{0xffffffffc0400000, Region{Start: 0xffffffffc0400000, End: 0xffffffffc0402000, Read: true, Exec: true, Volatile: true, Module: 1}},
		{0xffffffffc0402000, Region{Start: 0xffffffffc0402000, End: 0xffffffffc0403000, Read: true, Module: 1}},
		{0xffffffffc0404010, Region{Start: 0xffffffffc0404000, End: 0xffffffffc0406000, Read: true, Write: true, Volatile: true, Module: 1}},
		{0xffffffffc0700000, Region{Start: 0xffffffffc0406000, End: 0xffffffffff000000, Write: true, Exec: true, Volatile: true, Unknown: true, Module: NoModule}},
	} {
		if r := img.RegionAt(tt.addr); r == nil || *r != tt.want {
			t.Errorf("%#x is in %+v, want %+v", tt.addr, r, tt.want)
		}
	}
	if r := img.RegionAt(0xffffffff93000900); r != nil {
		t.Errorf("filler is in %+v", r)
	}
	b := make([]byte, 16)
	if err := img.ReadAddr(b, One(t, img, "schedule").Addr); err != nil || string(b) != "code of schedule" {
		t.Errorf("schedule: %q, %v", b, err)
	}
	if s := One(t, img, "schedule"); s.Size != 0x7f0 || s.Type != elf.STT_FUNC || s.Module != 0 {
		t.Errorf("%+v", s)
	}
	if s := One(t, img, "mod_static"); s.Module != 1 || !s.Local || s.Size != 0x80 {
		t.Errorf("%+v", s)
	}
	if s := One(t, img, "bpf_prog_1"); s.Module != NoModule {
		t.Errorf("%+v", s)
	}
	if list := img.Lookup("gone"); len(list) != 0 {
		t.Errorf("a module that is gone: %+v", list)
	}
}

// TestNewRunningErrors: what contradicts itself, or is hidden, is no image.
func TestNewRunningErrors(t *testing.T) {
	set := func(name, from, to string) func(fstest.MapFS) {
		return func(root fstest.MapFS) {
			b := root[name].Data
			if !bytes.Contains(b, []byte(from)) {
				t.Fatalf("%s has no %q", name, from)
			}
			root[name] = &fstest.MapFile{Data: bytes.ReplaceAll(b, []byte(from), []byte(to))}
		}
	}
	info := func(from, to string) func(fstest.MapFS) {
		return func(root fstest.MapFS) {
			root["proc/kcore"] = &fstest.MapFile{Data: fakekernel.Kcore(strings.ReplaceAll(fakekernel.Info, from, to))}
		}
	}
	hidden := func(root fstest.MapFS) {
		var b []byte
		for line := range strings.Lines(fakekernel.Kallsyms) {
			b = append(append(b, "0000000000000000"...), line[16:]...)
		}
		root["proc/kallsyms"] = &fstest.MapFile{Data: b}
	}
	remove := func(name string) func(fstest.MapFS) { return func(root fstest.MapFS) { delete(root, name) } }
	for _, tt := range []struct {
		name   string
		change func(fstest.MapFS)
		is     error
		text   string
	}{
		{"no kcore", remove("proc/kcore"), fs.ErrNotExist, "kcore"},
		{"no kallsyms", remove("proc/kallsyms"), fs.ErrNotExist, "kallsyms"},
		{"hidden", hidden, ErrHidden, "kptr_restrict"},
		{"module hidden", set("proc/modules", "0xffffffffc0400000", "0x0000000000000000"), ErrHidden, "mod"},
		{"empty kallsyms", func(root fstest.MapFS) { root["proc/kallsyms"] = &fstest.MapFile{} }, nil, "CONFIG_KALLSYMS"},
		{"no data symbols", set("proc/kallsyms", "__start_rodata", "x"), nil, "CONFIG_KALLSYMS_ALL"},
		{"no VMCOREINFO", set("proc/kcore", "VMCOREINFO", "XMCOREINFO"), errors.ErrUnsupported, "VMCOREINFO"},
		{"no offset", info("KERNELOFFSET", "X"), nil, "KERNELOFFSET"},
		{"bad offset", info("=12000000", "=zz"), nil, "KERNELOFFSET"},
		{"odd offset", info("=12000000", "=12001000"), nil, "do not go together"},
		{"huge offset", info("=12000000", "=92000000"), nil, "do not go together"},
		{"other _stext", info("_stext)=ffffffff93", "_stext)=ffffffff94"), nil, "in VMCOREINFO, at 0xffffffff93000000 in kallsyms"},
		{"other build-id", info("BUILD-ID=00", "BUILD-ID=01"), nil, "in memory"},
		{"bad build-id", info("BUILD-ID=00", "BUILD-ID=0"), nil, "BUILD-ID"},
		{"upside down", set("proc/kallsyms", "ffffffff93000800 T _etext", "ffffffff92000800 T _etext"), nil, "behind"},
		{"overlap", set("proc/kallsyms", "ffffffff93000800 T _etext", "ffffffff93001800 T _etext"), nil, "overlaps"},
		{"bad modules", set("proc/modules", "24576", "x"), nil, "/proc/modules, line 1"},
		{"short modules", set("proc/modules", " 0 - Live", ""), nil, "fields"},
		{"bad name", set("proc/modules", "mod 2", "../x 2"), nil, "no name"},
		{"bad section", set("sys/module/mod/sections/.data", "0x", "x"), nil, ".data"},
		{"no core", func(root fstest.MapFS) {
			b, _ := os.ReadFile("../testdata/tiny.elf")
			root["proc/kcore"] = &fstest.MapFile{Data: b}
		}, errors.ErrUnsupported, "no core"},
	} {
		root := fakekernel.Root()
		tt.change(root)
		_, err := NewRunning(root)
		if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestModulesBetween: where a module ends is guessed, where another one begins is
// known.
func TestModulesBetween(t *testing.T) {
	root := fakekernel.Root()
	root["proc/modules"] = &fstest.MapFile{Data: []byte("mod 65536 0 - Live 0xffffffffc0400000\nlate 8192 0 - Live 0xffffffffc0403000\n")}
	root["sys/module/mod/sections/.data"] = &fstest.MapFile{Data: []byte("0xffffffffc0420000")}
	root["sys/module/late/sections/.text"] = &fstest.MapFile{Data: []byte("0xffffffffc0403800")}
	img, err := NewRunning(root)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[uint64]int{0xffffffffc04037ff: 1, 0xffffffffc0403800: 2, 0xffffffffc0420000: 1} {
		if _, m := img.ModuleAt(addr); m != want {
			t.Errorf("%#x is in module %d, want %d", addr, m, want)
		}
	}
	if m := img.Modules()[1]; m.Start != 0xffffffffc0400000 || m.End <= 0xffffffffc0420000 {
		t.Errorf("%+v", m)
	}
}

// TestOpenDump opens the same kernel's memory as a file, with the symbols of files
// that say where it was linked or where it ran.
func TestOpenDump(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	core := fakekernel.Kcore(fakekernel.Info)
	memory := core[len(core)-0x6000-0x5000:][:0x4800] // not all of it
	dump := write("dump", memory)
	linked := strings.NewReplacer("ffffffff93", "ffffffff81").Replace(fakekernel.Kallsyms)
	for _, tt := range []struct {
		symbols string
		bias    uint64
	}{{linked, fakekernel.Slide}, {fakekernel.Kallsyms, 0}} {
		img, err := OpenDump(dump, Dump{Base: 0xffffffff93000000, Symbols: write("symbols", []byte(tt.symbols))})
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		if k := img.Modules()[0]; k.Bias != tt.bias || !bytes.Equal(k.BuildID, fakekernel.ID) {
			t.Errorf("%+v", k)
		}
		if a := One(t, img, "schedule").Addr; a != 0xffffffff93000010 {
			t.Errorf("schedule at %#x", a)
		}
		if a := One(t, img, "a_percpu_variable").Addr; a != 0x40 {
			t.Errorf("per-CPU variable at %#x", a)
		}
		if r := img.RegionAt(0xffffffff93004900); r == nil || r.Read {
			t.Errorf("behind the dump: %+v", r)
		}
	}
	if _, err := OpenDump(dump, Dump{Base: 0xffffffff93001000, Symbols: write("symbols", []byte(linked))}); !errors.Is(err, ErrNoKernel) {
		t.Errorf("at another base: %v", err)
	}
	if _, err := OpenDump(dump, Dump{Base: 0xffffffff93000000}); err == nil {
		t.Error("without symbols, and none in it")
	}
	if _, err := OpenDump(dump, Dump{Base: ^uint64(0) - 100, Symbols: write("symbols", []byte(linked))}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("over the end: %v", err)
	}
	if _, err := OpenDump(dump, Dump{Base: 0xffffffff93000000, Symbols: write("symbols", []byte("0 T x\n"))}); err == nil || !strings.Contains(err.Error(), "there is no symbol") {
		t.Errorf("symbols of something else: %v", err)
	}
}

// TestModuleParts: where the parts of a module end.
func TestModuleParts(t *testing.T) {
	type span struct{ start, end uint64 }
	const base = 0xffffffffc0400000
	for _, tt := range []struct {
		name     string
		p        procModule
		sections map[string]uint64
		symbols  []uint64
		want     []span
	}{
		{"one piece", procModule{size: 0x5000, base: base},
			map[string]uint64{".text": base, ".rodata": base + 0x2000, ".data": base + 0x4000}, nil,
			[]span{{base, base + 0x2000}, {base + 0x2000, base + 0x4000}, {base + 0x4000, base + 0x5000}}},
		{"parts", procModule{size: 0x2000 + 0x3000 + 0x1000, base: base},
			map[string]uint64{".text": base, ".exit.text": base + 0x1800, ".rodata": base + 0x10000, "__ksymtab": base + 0x11000, ".data": base + 0x20000},
			[]uint64{base + 0x1810, base + 0x10008, base + 0x20010},
			[]span{{base, base + 0x2000}, {base + 0x10000, base + 0x13000}, {base + 0x20000, base + 0x21000}}},
		{"nothing", procModule{size: 0x1000, base: base}, map[string]uint64{".init.text": base, ".text": 0x1000}, nil, nil},
	} {
		var got []span
		for _, r := range tt.p.regions(tt.sections, tt.symbols, 3) {
			got = append(got, span{r.Start, r.End})
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
}

// FuzzRunning opens any files as a running kernel. What opens has regions in
// order, and all of its marks.
func FuzzRunning(f *testing.F) {
	root := fakekernel.Root()
	f.Add(root["proc/kcore"].Data, root["proc/kallsyms"].Data, root["proc/modules"].Data, "0xffffffffc0400000\n")
	f.Fuzz(func(t *testing.T, kcore, kallsyms, modules []byte, section string) {
		root := fakekernel.Root()
		root["proc/kcore"] = &fstest.MapFile{Data: kcore}
		root["proc/kallsyms"] = &fstest.MapFile{Data: kallsyms}
		root["proc/modules"] = &fstest.MapFile{Data: modules}
		root["sys/module/mod/sections/.text"] = &fstest.MapFile{Data: []byte(section)}
		img, err := NewRunning(root)
		if err != nil {
			return
		}
		for i, r := range img.Regions() {
			if r.End <= r.Start || i > 0 && img.Regions()[i-1].End > r.Start {
				t.Errorf("region %+v", r)
			}
		}
		if len(img.Lookup("_text")) == 0 || img.Modules()[0].Name != kernelName {
			t.Errorf("%+v", img.Modules())
		}
		_ = fmt.Sprint(img.Symbols())
	})
}
