//go:build linux

package ktree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// edited returns a file of the tree with one text instead of another.
func edited(t *testing.T, tree *Tree, name, old, now string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tree.Dir(), name))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), old) != 1 {
		t.Fatalf("%s has %q not once", name, old)
	}
	return []byte(strings.Replace(string(text), old, now, 1))
}

// TestEffects changes how a stock kernel is built.
func TestEffects(t *testing.T) {
	tree := stockTree(t, "6.1")
	type row struct {
		name    string
		overlay func(t *testing.T) Overlay
		files   string // that the build makes otherwise
		objects string // that are made otherwise
		refused string // setting
	}
	for _, c := range testenv.Sample(1, []row{
		{"source", func(t *testing.T) Overlay { return Overlay{"fs/proc/cmdline.c": []byte("x")} }, "", "", ""},
		{"narrow header", func(t *testing.T) Overlay {
			return Overlay{"net/8021q/vlan.h": edited(t, tree, "net/8021q/vlan.h", "#include <linux/if_vlan.h>", "\n#include <linux/if_vlan.h>")}
		}, "", "", ""},
		{"a member of a structure with offsets", func(t *testing.T) Overlay {
			const name = "arch/x86/include/asm/cpu_entry_area.h"
			return Overlay{name: edited(t, tree, name, "struct entry_stack_page entry_stack_page;", "char gosplice[4096];\n\tstruct entry_stack_page entry_stack_page;")}
		}, "include/generated/asm-offsets.h", "", ""},
		{"new file of a module", func(t *testing.T) Overlay {
			return Overlay{"net/8021q/new.c": []byte("int gosplice_new;\n"), "net/8021q/Makefile": edited(t, tree, "net/8021q/Makefile", "vlan_dev.o", "vlan_dev.o new.o")}
		}, "", "net/8021q/new.o", ""},
		{"flag of one object", func(t *testing.T) Overlay {
			return Overlay{"fs/proc/Makefile": append(edited(t, tree, "fs/proc/Makefile", "cmdline.o", "cmdline.o "), "CFLAGS_cmdline.o += -DGOSPLICE\n"...)}
		}, "", "fs/proc/cmdline.o", ""},
		{"setting that is new", func(t *testing.T) Overlay {
			return Overlay{"fs/proc/Kconfig": append(edited(t, tree, "fs/proc/Kconfig", "config PROC_FS\n", "config PROC_FS\n"), "\nconfig GOSPLICE_NEW\n\tbool\n\tdefault y\n"...)}
		}, "", "", "CONFIG_GOSPLICE_NEW"},
		{"setting that is off", func(t *testing.T) Overlay {
			return Overlay{"fs/proc/Kconfig": append(edited(t, tree, "fs/proc/Kconfig", "config PROC_FS\n", "config PROC_FS\n"), "\nconfig GOSPLICE_OFF\n\tbool \"off\"\n"...)}
		}, "", "", ""},
	}) {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			e, err := tree.Effects(t.Context(), c.overlay(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Log(time.Since(began).Round(time.Millisecond))
			var files, objects, refused []string
			for name := range e.Overlay {
				files = append(files, name)
			}
			for _, u := range e.Changed {
				objects = append(objects, u.Post.Object)
			}
			for _, r := range e.Refused {
				refused = append(refused, r.Symbol+r.Why)
			}
			if got := strings.Join(files, " "); got != c.files {
				t.Errorf("made otherwise: %q, want %q", got, c.files)
			}
			if got := strings.Join(objects, " "); got != c.objects {
				t.Errorf("objects: %q, want %q", got, c.objects)
			}
			if got := strings.Join(refused, " "); !strings.HasPrefix(got, c.refused) || (got == "") != (c.refused == "") {
				t.Errorf("refused: %q, want %q", got, c.refused)
			}
		})
	}
}
