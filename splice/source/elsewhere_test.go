package source_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/distro"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// shelf is testdata/elsewhere, two modules whose source is not the kernel's, built for a kernel.
type shelf struct {
	stock        *debkernel.Kernel
	kernel       source.Kernel // without the modules
	source       string        // of the modules, not where they were built
	shelf, store string        // the files of the modules, stripped of debug information
}

// buildShelf builds the modules as DKMS does: in a folder that is gone then.
func buildShelf(t *testing.T, series string) *shelf {
	t.Helper()
	vmtest.Long(t)
	s := &shelf{stock: vmtest.Need(t, series), source: filepath.Join(t.TempDir(), "src")}
	testenv.Need(t, "gcc-12", "make", "flex", "bison", "bc", "xz", "strip")
	files, err := distro.Debian(vmtest.Context(t), series, distro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.kernel = source.Kernel{
		Release: files.Release, Source: files.Source, Config: files.Config, Image: files.Image, Modules: files.Modules,
		Symvers: files.Symvers, Objtool: files.Objtool, Make: files.Make,
	}
	tree := kbuild.Need(t, s.stock)
	build := filepath.Join(t.TempDir(), "build")
	for _, dir := range []string{s.source, build} {
		if err := os.CopyFS(dir, os.DirFS("testdata/elsewhere")); err != nil {
			t.Fatal(err)
		}
	}
	said, err := tree.Make(t.Context(), tree.Dir, "CC=gcc-12", "KBUILD_MODPOST_WARN=1", "KBUILD_EXTRA_SYMBOLS="+files.Symvers, "M="+build, "modules")
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, x := range []struct {
		file *string
		name string
	}{{&s.shelf, "shelf.ko"}, {&s.store, "store/shelf-store.ko"}} {
		*x.file = filepath.Join(t.TempDir(), filepath.Base(x.name))
		if said, err := exec.CommandContext(t.Context(), "strip", "-g", "-o", *x.file, filepath.Join(build, x.name)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	if err := os.RemoveAll(build); err != nil {
		t.Fatal(err)
	}
	return s
}

// open opens the kernel with some of the modules.
func (s *shelf) open(t *testing.T, change func(*source.Kernel), files ...string) (*source.Builder, error) {
	t.Helper()
	cache, err := deb.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	k := s.kernel
	for _, f := range files {
		k.OutOfTree = append(k.OutOfTree, source.OutOfTree{File: f, Source: s.source})
	}
	if change != nil {
		change(&k)
	}
	return source.Open(vmtest.Context(t), k, source.Options{Cache: cache.Dir(), Module: module.Options{Name: "fix"}})
}

// The edits of what the modules do: an inline function of a header, a new file, and the other module.
var (
	narrower = edit{"include/shelf.h", "length / (width + 1)", "length / (width + 2)"}
	coloured = []edit{
		{"Makefile", "shelf-y := main.o format.o", "shelf-y := main.o format.o colour.o"},
		{"include/shelf.h", "(width + 1);\n}\n", "(width + 2);\n}\n\nvoid shelf_colour(struct seq_file *m, unsigned int width);\n"},
		{"colour.c", "", "#include <linux/seq_file.h>\n#include \"shelf.h\"\n\nvoid shelf_colour(struct seq_file *m, unsigned int width)\n{\n\tseq_puts(m, width > 5 ? \"red \" : \"blue \");\n}\n"},
		{"format.c", "\tseq_printf(m, \"%s: %u", "\tshelf_colour(m, width);\n\tseq_printf(m, \"%s: %u"},
	}
	counted = edit{"main.c", "shown++;", "shown += 1 + shelf_length() / 100;"} // refers to what the other module exports
	longer  = edit{"store/shelf-store.c", "\treturn length;", "\treturn length + 1000;"}
)

const (
	asBuilt   = "shelf: 50 of width 1\nshelf: 25 of width 3\nshelf: 10 of width 9\n"
	asPatched = "blue shelf: 366 of width 1\nblue shelf: 220 of width 3\nred shelf: 100 of width 9\n"
)

// TestElsewhere makes an update of two modules whose source is not the kernel's, and shows it in a
// guest: for modules that are loaded, and for ones that come later.
func TestElsewhere(t *testing.T) {
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) {
			if series != vmtest.Releases()[0] && !testenv.Asked(testenv.Long) {
				t.Skip("one kernel, unless long tests are asked for")
			}
			s := buildShelf(t, series)
			b, err := s.open(t, nil, s.shelf, s.store)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			plan, err := b.Plan(t.Context(), patchOf(t, b, "fix.patch", append([]edit{longer, counted}, coloured...)...))
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.Build(t.Context(), plan)
			if err != nil || r.Update == nil {
				t.Fatalf("%v, %s: %v", err, r.Outcome, r.Refusals)
			}
			m := vmtest.New(t, vm.Options{Kernel: &s.stock.Kernel, CPUs: 1, Log: vm.Policy{Taint: "OEK"}})
			s.show(t, m, r.Update)
		})
	}
}

// show has the update in place before the module is loaded, and behind it.
func (s *shelf) show(t *testing.T, m *vm.Machine, update *module.Module) {
	t.Helper()
	load := func(file string) {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Load(t.Context(), b, ""); err != nil {
			t.Fatal(err)
		}
	}
	reads := func(want string) {
		t.Helper()
		if got, err := m.ReadFile(t.Context(), "/proc/shelf"); err != nil || string(got) != want {
			t.Errorf("it reads %q, want %q (%v)", got, want, err)
		}
	}
	load(s.store)
	for _, loaded := range []bool{true, false} {
		if loaded {
			load(s.shelf)
			reads(asBuilt)
		}
		patched(t, m, update)
		if !loaded {
			load(s.shelf)
		}
		reads(asPatched)
		reverted(t, m, update)
		reads(asBuilt)
		if err := m.Unload(t.Context(), "shelf"); err != nil {
			t.Fatal(err)
		}
	}
}

// patched has an update in place.
func patched(t *testing.T, m *vm.Machine, update *module.Module) {
	t.Helper()
	if err := errors.Join(m.Load(t.Context(), update.Bytes(), ""), m.WaitFile(t.Context(), "/sys/kernel/livepatch/fix/transition", "0")); err != nil {
		t.Fatal(err)
	}
}

// reverted takes it back.
func reverted(t *testing.T, m *vm.Machine, update *module.Module) {
	t.Helper()
	const enabled = "/sys/kernel/livepatch/fix/enabled"
	if err := m.WriteFile(t.Context(), enabled, []byte("0")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the update is in place", func() bool { _, err := m.ReadFile(t.Context(), enabled); return err != nil })
	if update.Pinned {
		t.Fatalf("the update is to stay: %+v", update.Pins)
	}
	eventually(t, "the update is loaded", func() bool { return m.Unload(t.Context(), "fix") == nil })
}

// eventually waits until something is so.
func eventually(t *testing.T, otherwise string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still %s", otherwise)
		}
	}
}

// TestElsewhereRefused: what is not carried says why, and what is no module of the folder and this kernel
// is an error before anything is compiled.
func TestElsewhereRefused(t *testing.T) {
	s := buildShelf(t, vmtest.Releases()[0])
	put(t, filepath.Join(s.source, "table.x"), "something\n")
	b, err := s.open(t, nil, s.shelf)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, c := range []struct {
		name    string
		edits   []edit
		outcome source.Outcome
		code    finding.Code
	}{
		{"does not compile", []edit{{"format.c", "show_row(m, length, widths[i]);", "show_rows(m, length, widths[i]);"}}, source.OutcomeFailed, source.CodeCompile},
		{"no file of it", []edit{longer}, source.OutcomeRefused, source.CodeNotShipped},
		{"comment", []edit{{"format.c", "#include <linux/printk.h>", "/* no change */ #include <linux/printk.h>"}}, source.OutcomeNoChange, ""},
		{"no module of it", []edit{{"README", "", "nothing\n"}}, source.OutcomeNoChange, ""},
		{"unknown", []edit{{"table.x", "something", "nothing"}}, source.OutcomeRefused, source.CodeBuild},
		{"no Makefile", []edit{{"Makefile", "obj-m := shelf.o", "$(error no more)"}}, source.OutcomeRefused, source.CodeBuild},
	} {
		plan, err := b.Plan(t.Context(), patchOf(t, b, "p.patch", c.edits...))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		r, err := b.Build(t.Context(), plan)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if r.Outcome != c.outcome || c.code != "" && (len(r.Refusals) == 0 || r.Refusals[0].Code != c.code || r.Refusals[0].Hint == "") {
			t.Errorf("%s: %s, %v; want %s, %s", c.name, r.Outcome, r.Refusals, c.outcome, c.code)
		}
	}
	s.refusedPatches(t, b)
	s.refusedModules(t)
}

// refusedPatches has patches of what is not below the folder.
func (s *shelf) refusedPatches(t *testing.T, b *source.Builder) {
	t.Helper()
	const text = "--- a/include/linux/slab.h\n+++ b/include/linux/slab.h\n@@ -1 +1,2 @@\n /* SPDX-License-Identifier: GPL-2.0 */\n+/* more */\n"
	list, err := patch.Read("p.patch", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := b.Plan(t.Context(), list...)
	if err != nil || len(plan.Refusals) != 1 || plan.Refusals[0].Code != source.CodeKernelFile {
		t.Errorf("a file of the kernel: %v, %v", err, plan.Refusals)
	}
}

// refusedModules gives what does not belong together.
func (s *shelf) refusedModules(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	changed := func(name, old, now string) string {
		text, err := os.ReadFile(s.shelf)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("the module has no %q", old)
		}
		put(t, filepath.Join(dir, name), strings.ReplaceAll(string(text), old, now))
		return filepath.Join(dir, name)
	}
	put(t, filepath.Join(dir, "text.ko"), "no module\n")
	put(t, filepath.Join(dir, "other/Makefile"), "obj-m := other.o\n")
	put(t, filepath.Join(dir, "other/other.c"), "")
	put(t, filepath.Join(dir, "empty/Makefile"), "")
	put(t, filepath.Join(dir, "none/a.c"), "")
	release := s.kernel.Release
	for _, c := range []struct {
		name, file, source, want string
		is                       error
	}{
		{"no module", filepath.Join(dir, "text.ko"), s.source, "text.ko", module.ErrNotModule},
		{"another kernel", changed("a.ko", release, strings.Repeat("9", len(release))), s.source, "it is for \"999", module.CodeOtherBuild},
		{"another compiler", changed("b.ko", "GCC: (Debian 12", "GCC: (Debian 11"), s.source, "it was built by", source.ErrCompiler},
		{"another folder", s.shelf, filepath.Join(dir, "other"), "makes the modules other, and not shelf", nil},
		{"nothing is made", s.shelf, filepath.Join(dir, "empty"), "makes no module of it", nil},
		{"no Makefile", s.shelf, filepath.Join(dir, "none"), "no Makefile and no Kbuild", os.ErrNotExist},
	} {
		b, err := s.open(t, func(k *source.Kernel) { k.OutOfTree = []source.OutOfTree{{File: c.file, Source: c.source}} })
		if err == nil {
			b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	s.otherSource(t)
}

// otherSource has a source that the module was not built of.
func (s *shelf) otherSource(t *testing.T) {
	t.Helper()
	other := *s
	other.source = filepath.Join(t.TempDir(), "src")
	if err := os.CopyFS(other.source, os.DirFS(s.source)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(s.source, "format.c"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(other.source, "format.c"), strings.Replace(string(text), "%s: %u of", "%s: only %u of", 1))
	b, err := other.open(t, nil, s.shelf)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	plan, err := b.Plan(t.Context(), patchOf(t, b, "p.patch", narrower))
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Build(t.Context(), plan)
	if err != nil || r.Outcome != source.OutcomeRefused || r.Update != nil || r.Refusals[0].Code != splice.CodeNotMatched || !strings.Contains(r.Refusals[0].Hint, "-module-make") {
		t.Errorf("another source: %v, %s: %v", err, r.Outcome, r.Refusals)
	}
}
