package trial

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/splice/module"
)

// vmlinuz writes the head of a kernel that is nothing else.
func vmlinuz(t *testing.T) string {
	t.Helper()
	const release = "6.1.0-50-cloud-amd64 (someone@somewhere) #1"
	b := make([]byte, 4096)
	le := binary.LittleEndian
	b[0x1f1] = 1
	le.PutUint16(b[0x1fe:], 0xaa55)
	copy(b[0x202:], "HdrS")
	le.PutUint16(b[0x206:], 0x20f)
	le.PutUint16(b[0x20e:], 0x400)
	copy(b[0x600:], release)
	le.PutUint32(b[0x248:], 0x800-0x400)
	le.PutUint32(b[0x24c:], 0x100)
	copy(b[0x800:], "\x1f\x8b\x08")
	return file(t, "vmlinuz", string(b))
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// program writes the head of a program, linked statically or not.
func program(t *testing.T, static bool) string {
	t.Helper()
	kind := elf.PT_INTERP
	if static {
		kind = elf.PT_LOAD
	}
	b := make([]byte, 64+56)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], uint16(elf.ET_EXEC))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64) // program headers
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	le.PutUint32(b[64:], uint32(kind))
	return file(t, "program", string(b))
}

// TestPrepare: what can't be tried is told before anything starts, and what is missing with
// the line that installs it.
func TestPrepare(t *testing.T) {
	good := Options{Boot: vmlinuz(t), Modules: t.TempDir(), Update: &module.Module{Name: "fix"}}
	script := file(t, "test.sh", "echo hello\n")
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"tools":    {func(*Options) {}, "apt-get install --no-install-recommends golang-go qemu-system-x86"},
		"script":   {func(o *Options) { o.Exercise = script }, "apt-get install --no-install-recommends busybox-static golang-go qemu-system-x86"},
		"static":   {func(o *Options) { o.Exercise = program(t, true) }, "golang-go qemu-system-x86"},
		"dynamic":  {func(o *Options) { o.Exercise = program(t, false) }, "is not linked statically"},
		"nothing":  {func(o *Options) { o.Exercise = script + "x" }, "no such file"},
		"busybox":  {func(o *Options) { o.Busybox = program(t, false) }, "busybox-static"},
		"kernel":   {func(o *Options) { o.Boot = script }, "kernel to try it with"},
		"modules":  {func(o *Options) { o.Modules = script }, "is no folder"},
		"update":   {func(o *Options) { o.Update = nil }, "no update"},
		"a folder": {func(o *Options) { o.Exercise = o.Modules }, "exercise"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir())
			o := good
			o.Cache = t.TempDir()
			c.change(&o)
			_, err := Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			var missing *MissingError
			if errors.As(err, &missing) != strings.Contains(c.want, "qemu") {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	o := Options{
		Boot: vmlinuz(t), Modules: t.TempDir(), Busybox: program(t, true), Exercise: file(t, "test.sh", "exit 0\n"), Args: []string{"a"}, Later: []string{"bridge"},
		Update: &module.Module{Name: "fix", Functions: []module.Function{{Name: "a"}, {Name: "b", Module: "dummy"}, {Name: "c", Module: "bridge"}, {Name: "d", Module: "dummy"}}},
	}
	p, err := o.prepare()
	var missing *MissingError
	if !errors.As(err, &missing) || slices.Contains(missing.Packages, "busybox-static") {
		t.Fatal(err)
	}
	if p.kernel.Release != "6.1.0-50-cloud-amd64" || !slices.Equal(p.Targets, []string{"dummy"}) || !slices.Equal(p.exercise, []string{"/bin/sh", "/exercise/test.sh", "a"}) {
		t.Errorf("%+v, %q, %q", p.kernel, p.Targets, p.exercise)
	}
}

func TestTransfer(t *testing.T) {
	for _, c := range []struct {
		entry string
		op    byte
		to    uint64
	}{
		{"\xe8\x10\x00\x00\x00\x90\x90\x90\x90", opCall, 0x1015},
		{"\xe9\xf0\xff\xff\xff\x90\x90\x90\x90", opJump, 0xff5},
		{"\xf3\x0f\x1e\xfa\xe8\x10\x00\x00\x00", opCall, 0x1019},
		{"\xf3\x0f\x1e\xfa\x0f\x1f\x44\x00\x00", 0, 0},
		{"\x0f\x1f\x44\x00\x00\x55\x48\x89\xe5", 0, 0},
		{"\x66\x0f\x1f\x00\xe8\x10\x00\x00\x00", opCall, 0x1019}, // sealed
		{"\x0f\x1f\x40\xd6\xe8\x10\x00\x00\x00", opCall, 0x1019}, // since 6.15
	} {
		if op, to := transfer([]byte(c.entry), 0x1000); op != c.op || to != c.to {
			t.Errorf("% x: %#x to %#x, want %#x to %#x", c.entry, op, to, c.op, c.to)
		}
	}
	if a, b := lead([]byte("\xf3\x0f\x1e\xfa12345")), lead([]byte("123456789")); len(a) != 9 || len(b) != 5 {
		t.Errorf("%d and %d bytes", len(a), len(b))
	}
}

func TestParseFunction(t *testing.T) {
	for entry, want := range map[string]module.Function{
		"show,0":   {Name: "show", Method: module.MethodFtrace},
		"a.b.0,12": {Name: "a.b.0", Position: 12, Method: module.MethodFtrace},
		"patched":  {}, "x,": {}, "": {}, "a,b": {},
	} {
		if got, _ := parseFunction(vmlinux, entry); got != want {
			t.Errorf("%q: %+v, want %+v", entry, got, want)
		}
	}
}

func TestTexts(t *testing.T) {
	console := "one\n[    1.0] Kernel panic - not syncing: Oops\ntwo\n"
	if got := panicLine(console); got != "Oops" {
		t.Errorf("%q", got)
	}
	if got := lastLines(console, 1); got != "two" {
		t.Errorf("%q", got)
	}
	if got := cut(make([]byte, maxOutput+7)); !strings.HasSuffix(got, "(7 bytes more)") {
		t.Errorf("%d bytes", len(got))
	}
}

// FuzzEntry: any bytes may stand where a function begins, and any name in livepatch's folder.
func FuzzEntry(f *testing.F) {
	f.Add([]byte("\xf3\x0f\x1e\xfa\xe8\x10\x00\x00\x00"), uint64(0xffffffff81000000), "show,1")
	f.Fuzz(func(t *testing.T, entry []byte, addr uint64, name string) {
		entry = append(entry, make([]byte, entrySize)...)[:entrySize]
		if op, to := transfer(entry, addr); op == 0 && to != 0 {
			t.Errorf("% x leads to %#x", entry, to)
		}
		if n := len(lead(entry)); n != entrySize && n != entrySize-amd64.EndbrSize {
			t.Errorf("%d bytes", n)
		}
		if fn, ok := parseFunction(vmlinux, name); ok && fn.Module != "" {
			t.Errorf("%+v", fn)
		}
	})
}
