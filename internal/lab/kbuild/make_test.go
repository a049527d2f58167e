package kbuild

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
)

// TestIdentity compares what the tree's kernel says about itself with the headers
// that Debian made with the stock kernel.
func TestIdentity(t *testing.T) {
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			k := vmtest.Need(t, series)
			tree := Need(t, k)
			root, err := k.Headers(vmtest.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			stock := filepath.Join(root, "usr/src/linux-headers-"+k.Release)
			for _, name := range []string{
				"include/config/kernel.release", "include/generated/utsrelease.h", "include/generated/compile.h",
				"include/generated/package.h", "include/generated/uapi/linux/version.h", "include/generated/bounds.h",
				"include/generated/asm-offsets.h", "include/generated/timeconst.h", "include/generated/autoconf.h",
			} {
				if diff := cmp.Diff(lines(t, filepath.Join(stock, name)), lines(t, filepath.Join(tree.Dir, name))); diff != "" {
					t.Errorf("%s: -stock +tree\n%s", name, diff)
				}
			}
		})
	}
}

// elsewhere is what of the configuration is about the machine of the build: where
// the key for modules lies, which an assembler file includes, and what of Rust
// there is, which no file in C asks about.
var elsewhere = regexp.MustCompile(`CONFIG_(MODULE_SIG_KEY|RUSTC_\w+) `)

func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(text), "\n"), elsewhere.MatchString)
}

func TestIdentityOf(t *testing.T) {
	const release = "6.1.0-47-cloud-amd64"
	said := release + " (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.170-3 (2026-05-08)"
	want := []string{
		"KERNELRELEASE=" + release, "KBUILD_BUILD_USER=debian-kernel", "KBUILD_BUILD_HOST=lists.debian.org",
		"KBUILD_BUILD_VERSION_TIMESTAMP=Debian 6.1.170-3 (2026-05-08)",
		"DISTRIBUTION_OFFICIAL_BUILD=1", "DISTRIBUTOR=Debian", "DISTRIBUTION_VERSION=6.1.170-3",
	}
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"stock", image(said + "\x00"), true},
		{"another release", image("6.1.0-48-cloud-amd64" + said[len(release):] + "\x00"), false},
		{"no builder", image(release + " #1 SMP\x00"), false},
		{"no end", image(said), false},
		{"text outside", image("")[:0x210], false},
		{"truncated", "MZ", false},
		{"empty", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "vmlinuz")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			k := &debkernel.Kernel{Kernel: vm.Kernel{Release: release, Image: path}, Package: deb.Package{Version: "6.1.170-3"}}
			got, err := identity(k, []byte("CONFIG_CC_VERSION_TEXT=\"no-such-compiler (Debian) 12\"\n"))
			if (err == nil) != c.ok {
				t.Fatalf("error %v, want %v", err, c.ok)
			}
			if c.ok && !cmp.Equal(got, want) {
				t.Error(cmp.Diff(want, got))
			}
		})
	}
}

// image is as much of a vmlinuz as says what it is.
func image(said string) string {
	head := make([]byte, 0x300)
	binary.LittleEndian.PutUint16(head[0x20e:], 0x100)
	return string(head) + said
}

// TestGoals has make say where it makes what, by the kernel's own rules.
func TestGoals(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("arch/x86/Makefile", "libs-y  += arch/x86/lib/\ndrivers-$(CONFIG_PCI)            += arch/x86/pci/\ncore-y += $(OTHER)\n")
	// The part of the kernel's Makefile that is told what to enter.
	write("Makefile", "srctree := /tree\nMAKEFLAGS += --no-print-directory\nsingle-no-ko := $(MAKECMDGOALS)\nbuild-dir := wrong\n"+
		"$(single-no-ko): $(build-dir) ;\n.PHONY: $(build-dir)\n$(build-dir):\n\t@$(MAKE) -f tools\n\t@echo $@: $(single-goals)\n")
	// A Makefile below tools.
	write("tools", "srctree := /tree\nbuild-dir := $(srctree)/tools/build\nifneq ($(build-dir),/tree/tools/build)\n$(error $(build-dir))\nendif\nall: ;\n")
	tree := &Tree{Dir: dir}
	for _, c := range []struct{ objects, want string }{
		{"fs/a.o", ".: ./fs/a.o\n"},
		{"arch/x86/kernel/a.o", ".: ./arch/x86/kernel/a.o\n"},
		{"arch/x86/lib/a.o", "arch/x86/lib: arch/x86/lib/a.o\n"},
		{"arch/x86/lib/a.o fs/b.o arch/x86/pci/c.o arch/x86/lib/d.o",
			".: ./fs/b.o\narch/x86/lib: arch/x86/lib/a.o arch/x86/lib/d.o\narch/x86/pci: arch/x86/pci/c.o\n"},
	} {
		goals, err := tree.Goals(strings.Fields(c.objects)...)
		if err != nil {
			t.Fatal(err)
		}
		said, err := tree.Make(t.Context(), dir, append([]string{"-j1"}, goals...)...)
		if err != nil || string(said) != c.want {
			t.Errorf("%s: %q, want %q, error %v", c.objects, said, c.want, err)
		}
	}
	write("arch/x86/Makefile", "obj-y += lib/\n")
	if goals, err := tree.Goals("fs/a.o"); err == nil {
		t.Errorf("a Makefile that names no folder gave %q", goals)
	}
}

func TestPick(t *testing.T) {
	const one = "set -e;   gcc-12 -Wp,-MMD,fs/.a.o.d -O2  -c -o fs/a.o fs/a.c; ./tools/objtool/objtool --orc fs/a.o; " +
		"scripts/basic/fixdep fs/.a.o.d fs/a.o 'gcc-12 -Wp,-MMD,fs/.a.o.d -O2  -c -o fs/a.o fs/a.c ; ./tools/objtool/objtool --orc fs/a.o' > fs/.a.o.cmd\n"
	for _, c := range []struct{ commands, want string }{
		{one, "gcc-12 -Wp,-MMD,fs/.a.o.d -O2  -c -o fs/a.o fs/a.c; ./tools/objtool/objtool --orc fs/a.o "},
		{"  gcc -Wp,-MMD,fs/.a.o.d -c -o fs/a.o fs/a.c\n", "gcc -Wp,-MMD,fs/.a.o.d -c -o fs/a.o fs/a.c "},
		{one + one, ""},
		{strings.ReplaceAll(one, "fs/a", "fs/b"), ""},
		{"", ""},
	} {
		got, err := pick(c.commands, "fs/a.c")
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v", c.commands, got, err)
		}
	}
}
