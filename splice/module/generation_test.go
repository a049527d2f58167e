package module

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/splice"
)

// TestGenerationErr: what is not known is named, all of it in one refusal.
func TestGenerationErr(t *testing.T) {
	g := &Generation{Path: "/boot/vmlinuz", Banner: "Linux version 9.1.2-x (gcc) #1", Facts: []Fact{
		{Name: "a", Value: "1", Known: true},
		{Name: "b", Value: "2", Forms: []string{"3 (5.10)", "4 (6.1)"}, Where: "a row"},
		{Name: "c", Value: "none", Where: "a row"},
	}}
	err := g.Err()
	var r *splice.Refusal
	if !errors.As(err, &r) || r.Code != CodeGeneration || r.Symbol != "9.1.2-x" {
		t.Fatalf("%v is no refusal of a generation", err)
	}
	for _, want := range []string{"b: 2, where known kernels have 3 (5.10), or 4 (6.1); c: none", "-probe"} {
		if !strings.Contains(r.Text()+r.Hint, want) {
			t.Errorf("%v, %s: nothing of %q", err, r.Hint, want)
		}
	}
	if strings.Count(r.Hint, "a row") != 1 {
		t.Errorf("hint %q", r.Hint)
	}
	if err := (&Generation{Facts: g.Facts[:1]}).Err(); err != nil {
		t.Error(err)
	}
}

// TestProbe: what is no kernel is an error, and a program without any of a kernel's parts has
// no known form of anything.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("no kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, filepath.Join(dir, "missing")} {
		if g, err := Probe(t.Context(), path); err == nil {
			t.Errorf("%s: %+v", path, g)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elfobj.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	k := &kernel.Image{Path: self, File: f}
	g := generationOf(k, nil)
	if g.Err() == nil {
		t.Errorf("a program is a kernel: %+v", g)
	}
	for i := range g.Facts {
		if g.Facts[i].Known || g.Facts[i].Where == "" {
			t.Errorf("%+v", g.Facts[i])
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Probe(ctx, self); err == nil {
		t.Error("it does not end")
	}
}

// TestProbeStock: a kernel is the same, packed or with symbols, and of a known generation.
func TestProbeStock(t *testing.T) {
	for _, release := range vmtest.Releases() {
		t.Run(release, func(t *testing.T) {
			k := vmtest.Need(t, release)
			path, err := k.Vmlinux(vmtest.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			full, err := Probe(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			packed, err := Probe(t.Context(), k.Image)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(full.Banner, "Linux version "+k.Release+" ") || packed.Banner != full.Banner || packed.Magic != full.Magic || packed.BuildID != full.BuildID {
				t.Errorf("with symbols %+v, packed %+v", full, packed)
			}
			for i := range full.Facts {
				if f, p := &full.Facts[i], &packed.Facts[i]; !f.Known || f.Value != p.Value {
					t.Errorf("%s: %s, packed %s, known: %v", f.Name, f.Value, p.Value, f.Known)
				}
			}
			if err := errors.Join(full.Err(), packed.Err()); err != nil {
				t.Error(err)
			}
			if len(full.Traits) < 10 {
				t.Errorf("traits: %v", full.Traits)
			}
		})
	}
}

// TestOtherGeneration changes one fact of a stock kernel at a time, as another generation could
// have it: one refusal names that, and nothing else.
func TestOtherGeneration(t *testing.T) {
	stock := vmtest.Need(t, "6.12")
	path, err := stock.Vmlinux(vmtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	img, err := kernel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	known, err := img.Survey()
	if err != nil {
		t.Fatal(err)
	}
	resized := func(name string, by uint64) func(l kernel.Layout) {
		return func(l kernel.Layout) {
			s := l[name]
			s.Size += by
			l[name] = s
		}
	}
	moved := func(name, member, to string, by uint64) func(l kernel.Layout) {
		return func(l kernel.Layout) {
			s := l[name]
			s.Offsets = maps.Clone(s.Offsets)
			at := s.Offsets[member] + by
			if to != member && by == 0 {
				delete(s.Offsets, member)
			}
			s.Offsets[to] = at
			l[name] = s
		}
	}
	for _, c := range []struct {
		what, says string
		change     func(l kernel.Layout)
	}{
		{"a member more of a livepatch", "klp_func: old_name new_func old_sympos old_func kobj node stack_node old_size new_size nop patched transition flags", moved("klp_func", "transition", "flags", 1)},
		{"a member of another name", "klp_patch: mod objs states instead list", moved("klp_patch", "replace", "instead", 0)},
		{"no structure", "klp_object: none", func(l kernel.Layout) { delete(l, "klp_object") }},
		{"rows of ORC", "ORC rows: 8 bytes, 3 bits of type", resized("orc_entry", 2)},
		{"bug table", "(__bug_table): 16 bytes", resized("bug_entry", 4)},
		{"alternatives", "(.altinstructions): 16 bytes", resized("alt_instr", 2)},
		{"a member elsewhere", "(__ex_table): 12 bytes: insn 0, fixup 4, data 10", moved("exception_table_entry", "data", "data", 2)},
		{"exports", "(__ksymtab): 16 bytes", resized("kernel_symbol", 4)},
		{"memory of a module", "memory in struct module: none", moved("module", "mem", "pieces", 0)},
	} {
		l := maps.Clone(known)
		c.change(l)
		err := generationOf(img, l).Err()
		var r *splice.Refusal
		if !errors.As(err, &r) || r.Code != CodeGeneration || r.Symbol != stock.Release {
			t.Errorf("%s: %v is no refusal of a generation", c.what, err)
			continue
		}
		if text := r.Text(); !strings.Contains(text, c.says) || strings.Contains(text, ";") || !strings.Contains(r.Hint, "internal/kerneltab") && !strings.Contains(r.Hint, "splice/module") {
			t.Errorf("%s: %s [%s], want %q alone", c.what, text, r.Hint, c.says)
		}
	}
}
