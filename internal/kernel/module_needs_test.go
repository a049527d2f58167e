package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// TestNeeds asks which modules one uses: strong imports count, by the names that the kernel has.
func TestNeeds(t *testing.T) {
	symvers := map[string]Export{
		"printk": {Name: "printk"}, "garp_request_join": {Name: "garp_request_join", Module: "net/802/garp"},
		"pcm_new": {Name: "pcm_new", Module: "sound/core/snd-pcm"}, "maybe": {Name: "maybe", Module: "drivers/maybe"},
	}
	undefined := func(name string, info uint8) elfobj.Symbol { return elfobj.Symbol{Name: name, Info: info} }
	m := &Module{syms: []elfobj.Symbol{{}, undefined("printk", 1<<4), undefined("garp_request_join", 1<<4), undefined("pcm_new", 1<<4), undefined("maybe", 2<<4), undefined("unknown", 1<<4)}}
	if got := slices.Sorted(maps.Keys(m.Uses(symvers))); !slices.Equal(got, []string{"garp", "snd_pcm"}) {
		t.Errorf("it uses %q", got)
	}
	if e := symvers["printk"]; e.Owner() != "" {
		t.Errorf("the owner of what vmlinux exports is %q", e.Owner())
	}
}

// TestBeside finds files of a tree of modules from one in it.
func TestBeside(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"kernel/net/802/garp.ko", "kernel/net/8021q/8021q.ko", "kernel/lib/packed.ko.xz", "kernel/fs/folder.ko/x"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := &Module{Path: filepath.Join(root, "kernel/net/8021q/8021q.ko")}
	for module, want := range map[string]string{
		"net/802/garp": "kernel/net/802/garp.ko", "lib/packed": "kernel/lib/packed.ko.xz", "fs/folder": "", "net/absent": "",
	} {
		if want != "" {
			want = filepath.Join(root, want)
		}
		if got := m.Beside(module); got != want {
			t.Errorf("%s is %q, want %q", module, got, want)
		}
	}
}

// TestVersion reads CRCs of what a module was linked with.
func TestVersions(t *testing.T) {
	b := make([]byte, 2*versionRow+1)
	binary.LittleEndian.PutUint64(b[versionRow:], 0x80000001)
	copy(b[versionName:], "a")
	copy(b[versionRow+versionName:], "garp_request_join")
	m := &Module{File: fileWith(t, kerneltab.Versions, b)}
	if crc, ok := m.Versions()["garp_request_join"]; !ok || crc != 0x80000001 {
		t.Errorf("its CRC is %#x, %v", crc, ok)
	}
	if _, ok := m.Versions()["b"]; ok {
		t.Error("what it does not have has a CRC")
	}
}

// fileWith is a file with one section.
func fileWith(t *testing.T, name string, data []byte) *elfobj.File {
	t.Helper()
	var builder elfobj.Builder
	builder.AddSection(elfobj.SectionHeader{Name: name, Type: elf.SHT_PROGBITS, Addralign: 1}, data)
	var out bytes.Buffer
	if _, err := builder.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	f, err := elfobj.Parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}
