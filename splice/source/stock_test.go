package source_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/distro"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// stock opens a stock kernel, or skips the test.
func stock(t *testing.T, series string) *source.Builder {
	t.Helper()
	vmtest.Long(t)
	vmtest.Need(t, series)
	testenv.Need(t, "gcc-12", "make", "flex", "bison", "bc", "xz")
	files, err := distro.Debian(vmtest.Context(t), series, distro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := deb.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	k := source.Kernel{
		Release: files.Release, Source: files.Source, Config: files.Config, Image: files.Image, Modules: files.Modules,
		Symvers: files.Symvers, Make: files.Make,
	}
	b, err := source.Open(vmtest.Context(t), k, source.Options{Cache: cache.Dir(), Bundle: true, Module: module.Options{Name: "fix"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// An edit is what a patch of a test does to one file: Old occurs once.
type edit struct{ path, old, new string }

// patchOf makes a patch of edits to the source of a kernel.
func patchOf(t *testing.T, b *source.Builder, name string, edits ...edit) *patch.Patch {
	t.Helper()
	dir := t.TempDir()
	for _, e := range edits {
		old, err := os.ReadFile(filepath.Join(b.Tree(), e.path))
		if err != nil && e.old != "" {
			t.Fatal(err)
		}
		if n := strings.Count(string(old), e.old); e.old != "" && n != 1 {
			t.Fatalf("%s: %q occurs %d times", e.path, e.old, n)
		}
		now := e.new
		if e.old != "" {
			now = strings.Replace(string(old), e.old, e.new, 1)
			put(t, filepath.Join(dir, "a", e.path), string(old))
		}
		put(t, filepath.Join(dir, "b", e.path), now)
	}
	if err := os.MkdirAll(filepath.Join(dir, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "git", "diff", "--no-index", "--no-prefix", "a", "b")
	cmd.Dir = dir
	text, _ := cmd.Output() // it exits with 1 for differences
	list, err := patch.Read(name, strings.NewReader(string(text)))
	if err != nil || len(list) != 1 {
		t.Fatalf("%v: %d patches of %q", err, len(list), text)
	}
	return list[0]
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Edits for every 6.1.
var (
	good     = edit{"fs/proc/cmdline.c", `seq_putc(m, '\n');`, `seq_puts(m, " fixed\n");`}
	further  = edit{"fs/proc/cmdline.c", `" fixed\n"`, `" fixed twice\n"`}
	inModule = edit{"net/8021q/vlanproc.c", "VLAN Dev name", "VLAN device  "}
	atStart  = edit{"fs/proc/cmdline.c", `proc_create_single("cmdline"`, `proc_create_single("command"`}
	broken   = edit{"fs/proc/version.c", "seq_printf(m, linux_proc_banner,", "seq_printf(m, linux_proc_banner_,"}
	comment  = edit{"fs/proc/uptime.c", "#include <linux/fs.h>", "/* a comment */\n#include <linux/fs.h>"}
	document = edit{"README", "Linux kernel\n", "Linux kernel, patched\n"}
)

// TestOutcomes makes updates of single patches.
func TestOutcomes(t *testing.T) {
	b := stock(t, "6.1")
	for _, c := range []struct {
		name    string
		edits   []edit
		outcome source.Outcome
		objects int
		code    finding.Code
		targets string // that functions are replaced in
	}{
		{"built in", []edit{good}, source.OutcomeMade, 1, "", ""},
		{"module", []edit{inModule}, source.OutcomeMade, 1, "", "8021q"},
		{"both", []edit{good, inModule}, source.OutcomeMade, 2, "", " 8021q"},
		{"start", []edit{atStart}, source.OutcomeIgnored, 1, "", ""},
		{"does not compile", []edit{broken}, source.OutcomeFailed, 1, source.CodeCompile, ""},
		{"comment", []edit{comment}, source.OutcomeNoChange, 1, "", ""},
		{"documentation", []edit{document}, source.OutcomeNoChange, 0, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := b.Plan(t.Context(), patchOf(t, b, "test.patch", c.edits...))
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.Build(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			if r.Outcome != c.outcome || len(r.Objects) != c.objects {
				t.Errorf("%s, %d objects, want %s, %d", r.Outcome, len(r.Objects), c.outcome, c.objects)
			}
			if c.code != "" && (len(r.Refusals) == 0 || r.Refusals[0].Code != c.code) {
				t.Errorf("refusals %v, want %s", r.Refusals, c.code)
			}
			if (r.Update != nil) != (c.outcome == source.OutcomeMade) {
				t.Fatalf("update %v; refusals %v", r.Update, r.Refusals)
			}
			if r.Update == nil {
				return
			}
			var in []string
			for _, f := range r.Update.Functions {
				in = append(in, f.Module)
			}
			slices.Sort(in)
			if got := strings.Join(in, " "); got != c.targets {
				t.Errorf("functions in %q, want %q", got, c.targets)
			}
		})
	}
}

// TestEach has a patch that stands on another one.
func TestEach(t *testing.T) {
	b := stock(t, "6.1")
	on := onTop(t, b, good, further)
	patches := []*patch.Patch{patchOf(t, b, "a.patch", good), patchOf(t, b, "b.patch", broken), on}
	var got []string
	err := b.Each(t.Context(), patches, func(r *source.Result) error {
		last := r.Patches[len(r.Patches)-1]
		got = append(got, fmt.Sprint(r.Name, " ", r.Outcome, " ", last.Needs))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"fix_a made []", "fix_b failed []", "fix_on made [a.patch]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// onTop makes a patch of what changes a file that another edit has changed.
func onTop(t *testing.T, b *source.Builder, first, then edit) *patch.Patch {
	t.Helper()
	old, err := os.ReadFile(filepath.Join(b.Tree(), first.path))
	if err != nil {
		t.Fatal(err)
	}
	mid := strings.Replace(string(old), first.old, first.new, 1)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a", first.path), mid)
	put(t, filepath.Join(dir, "b", first.path), strings.Replace(mid, then.old, then.new, 1))
	cmd := exec.CommandContext(t.Context(), "git", "diff", "--no-index", "--no-prefix", "a", "b")
	cmd.Dir = dir
	text, _ := cmd.Output()
	list, err := patch.Read("on.patch", strings.NewReader(string(text)))
	if err != nil || len(list) != 1 {
		t.Fatalf("%v: %d patches of %q", err, len(list), text)
	}
	return list[0]
}

// TestCumulative leaves out what can't be carried, and what stands on it.
func TestCumulative(t *testing.T) {
	b := stock(t, "6.1")
	wrong := good
	wrong.new = `gosplice_nowhere(m);`
	then := edit{good.path, "gosplice_nowhere(m)", "gosplice_nowhere(v)"}
	patches := []*patch.Patch{
		patchOf(t, b, "module.patch", inModule), patchOf(t, b, "wrong.patch", wrong), onTop(t, b, wrong, then), patchOf(t, b, "broken.patch", broken),
		patchOf(t, b, "comment.patch", comment),
	}
	r, err := b.Cumulative(t.Context(), patches)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range r.Patches {
		got = append(got, fmt.Sprint(p.Name, " ", p.In, " ", p.Needs, " ", len(p.Reasons)))
	}
	want := []string{"module.patch whole [] 0", "wrong.patch none [] 1", "on.patch none [wrong.patch] 1", "broken.patch none [] 1", "comment.patch whole [] 0"}
	if diff := cmp.Diff(want, got); diff != "" || r.Outcome != source.OutcomeMade {
		t.Errorf("%s: %s", r.Outcome, diff)
	}
}

// TestCancelled ends the way in each stage: no error but the context's, and the next one goes
// to the end.
func TestCancelled(t *testing.T) {
	b := stock(t, "6.1")
	p := patchOf(t, b, "test.patch", edit{"fs/proc/loadavg.c", `%u/%d %d\n",`, `%u/%d %d fixed\n",`})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Plan(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("plan: %v", err)
	}
	plan, err := b.Plan(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Build(ctx, plan); !errors.Is(err, context.Canceled) {
		t.Errorf("build: %v", err)
	}
	if r, err := b.Build(t.Context(), plan); err != nil || r.Outcome != source.OutcomeMade {
		t.Errorf("%v, %v", r, err)
	}
}

// TestEachNeeds makes updates of the files of one patch: those that do not compile alone, or
// call what is new in another, stand on these. What is missing everywhere stays missing.
func TestEachNeeds(t *testing.T) {
	b := stock(t, "6.1")
	both := patchOf(t, b, "between.diff",
		edit{"fs/proc/internal.h", "struct pde_opener {", "struct seq_file;\nextern void say_fixed(struct seq_file *m);\nstruct pde_opener {"},
		edit{"fs/proc/cmdline.c", `<linux/seq_file.h>

static int cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, saved_command_line);`, `<linux/seq_file.h>
#include "internal.h"

static int cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, saved_command_line);
	say_fixed(m);`},
		edit{"fs/proc/uptime.c", "static int uptime_proc_show", "void say_fixed(struct seq_file *m) { seq_puts(m, \" fixed\"); }\nstatic int uptime_proc_show"},
		edit{"fs/proc/version.c", "seq_printf(m, linux_proc_banner,", "seq_printf(m, linux_proc_banner_,"},
	)
	got := map[string]string{}
	err := b.Each(t.Context(), both.ByFile(), func(r *source.Result) error {
		own := r.Patches[len(r.Patches)-1]
		_, file, _ := strings.Cut(own.Name, ":")
		got[file] = strings.TrimSpace(fmt.Sprint(r.Outcome, " ", strings.ReplaceAll(strings.Join(own.Needs, " "), "between.diff:", "")))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"fs/proc/internal.h": "no-change",
		"fs/proc/cmdline.c":  "made fs/proc/internal.h fs/proc/uptime.c",
		"fs/proc/uptime.c":   "ignored",
		"fs/proc/version.c":  "failed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
