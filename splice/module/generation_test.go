package module

import (
	"context"
	"errors"
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
