//go:build linux

package program_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/patch"
	"github.com/gosplice/gosplice/splice/source/program"
)

// a stand is a source, and what was installed of it: built elsewhere, and stripped.
type stand struct {
	src, installed, cache string
}

func newStand(t *testing.T) *stand {
	testenv.Need(t, "gcc", "make", "ar", "strip", "unshare")
	s := &stand{filepath.Join(t.TempDir(), "src"), filepath.Join(t.TempDir(), "bin"), t.TempDir()}
	for _, dir := range []string{s.src, s.installed} {
		if err := os.CopyFS(dir, os.DirFS("../../../internal/cbuild/testdata/tree")); err != nil {
			t.Fatal(err)
		}
	}
	run(t, s.installed, "make", "-s")
	run(t, s.installed, "strip", "shop", "till", "libtax.so.1")
	return s
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

func (s *stand) files(names ...string) []string {
	var out []string
	for _, n := range names {
		out = append(out, filepath.Join(s.installed, n))
	}
	return out
}

// other is a program that has nothing of the source.
func (s *stand) other(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "other.c"), []byte("int main(void) { return 0; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "gcc", "-Wl,--build-id", "-o", "other", "other.c")
	return filepath.Join(dir, "other")
}

// edit makes the patch that replaces a text in a file.
func (s *stand) edit(t *testing.T, name, old, text string) *patch.Patch {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.src, name))
	if err != nil || !strings.Contains(string(b), old) {
		t.Fatalf("%s: no %q, %v", name, old, err)
	}
	dir := t.TempDir()
	for side, content := range map[string]string{"a": string(b), "b": strings.Replace(string(b), old, text, 1)} {
		path := filepath.Join(dir, side, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("diff", "-u", "a/"+name, "b/"+name)
	cmd.Dir = dir
	out, _ := cmd.Output() // they differ: status 1
	list, err := patch.Read(name+".patch", strings.NewReader(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// shop is a process that answers a line for each line.
type shop struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (s *stand) start(t *testing.T) *shop {
	t.Helper()
	p := &shop{cmd: exec.Command("./shop")}
	p.cmd.Dir = s.installed
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if line, err := p.out.ReadString('\n'); err != nil || line != "open 0 (reduced 0)\n" {
		t.Fatalf("%q, %v", line, err)
	}
	t.Cleanup(func() {
		_ = p.in.Close() // it ends at the end of its input
		if err := p.cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *shop) ask(t *testing.T) string {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, "x"); err != nil {
		t.Fatal(err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func open(t *testing.T, s *stand, src program.Source, opt program.Options) *program.Builder {
	t.Helper()
	src.Dir, opt.Cache = s.src, s.cache
	if opt.Name == "" {
		opt.Name = "fix"
	}
	b, err := program.Open(t.Context(), src, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// TestProgram has one source for all: it is built once.
func TestProgram(t *testing.T) {
	s := newStand(t)
	t.Run("process", func(t *testing.T) { fixed(t, s) })
	t.Run("outcomes", func(t *testing.T) { outcomes(t, s) })
	t.Run("parts", func(t *testing.T) { parts(t, s) })
	t.Run("unseen", func(t *testing.T) { unseen(t, s) })
	t.Run("foreseen", func(t *testing.T) { foreseen(t, s) })
}

// fixed goes from a source and patches to a process that is fixed, and fixed no more.
func fixed(t *testing.T, s *stand) {
	b := open(t, s, program.Source{Build: "make -j4", Installed: s.files("shop", "till", "libtax.so.1")}, program.Options{})
	for _, name := range []string{"shop", "till", "libtax.so.1"} {
		if built := b.Built(); !slices.Contains(built, name) {
			t.Errorf("%s is not among what is built: %q", name, built)
		}
	}
	patches, err := patch.ReadFiles("testdata/price.patch")
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Build(t.Context(), patches...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != source.OutcomeMade || len(r.Programs) != 2 || len(r.Objects) != 1 || r.Patches[0].In != source.Whole {
		t.Fatalf("%s: %+v %v", r.Outcome, r.Programs, r.Refusals)
	}
	for i, name := range []string{"shop", "till"} {
		x := &r.Programs[i]
		if x.Name != name || x.Update == nil || x.Matched != x.Functions || len(x.Replaces) != 1 || x.Replaces[0].Function != "price" || !slices.Equal(x.Update.Fixes, []string{"CVE-2026-0002"}) {
			t.Errorf("%+v", x)
		}
	}
	p := s.start(t)
	try(t, p, r.Programs[0].Update, "pay 358 (reduced 1)", "pay 3214 (reduced 2)", "pay 358 (reduced 3)")
	library(t, s, p)
	reference(t, s, p)
}

// reference has new code call what another object of the program has, and what no symbol of
// the stripped file names. One of the programs has no such object.
func reference(t *testing.T, s *stand, p *shop) {
	b := open(t, s, program.Source{Build: "make -j4", Installed: s.files("shop", "till")}, program.Options{})
	r, err := b.Build(t.Context(), s.edit(t, "lib/price.c", "sum * 10 / PERCENT", "rounded(sum * 9 / 10 + 70)"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != source.OutcomeMade || len(r.Programs) != 2 || r.Programs[0].Update == nil || r.Patches[0].In != source.Partly {
		t.Fatalf("%s: %+v %v", r.Outcome, r.Programs, r.Refusals)
	}
	if list := r.Programs[1].Refusals; len(list) != 1 || list[0].Code != splice.CodeNotLocated || list[0].Symbol != "rounded" {
		t.Errorf("%v", list)
	}
	try(t, p, r.Programs[0].Update, "pay 358 (reduced 7)", "pay 3333 (reduced 8)", "pay 358 (reduced 9)")
}

// library changes the shared library.
func library(t *testing.T, s *stand, p *shop) {
	b := open(t, s, program.Source{Build: "make -j4", Installed: s.files("shop", "till", "libtax.so.1")}, program.Options{})
	if !b.Kept() {
		t.Error("the source is built once more")
	}
	r, err := b.Build(t.Context(), s.edit(t, "tax.c", "RATE", "7"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != source.OutcomeMade || len(r.Programs) != 1 || r.Programs[0].Name != "libtax.so.1" {
		t.Fatalf("%s: %+v %v", r.Outcome, r.Programs, r.Refusals)
	}
	try(t, p, r.Programs[0].Update, "pay 358 (reduced 4)", "pay 322 (reduced 5)", "pay 358 (reduced 6)")
}

// try applies an update and reverts it.
func try(t *testing.T, p *shop, u *splice.Update, before, with, after string) {
	t.Helper()
	if got := p.ask(t); got != before {
		t.Errorf("before: %q, want %q", got, before)
	}
	if _, err := process.Apply(t.Context(), p.cmd.Process.Pid, u, process.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := p.ask(t); got != with {
		t.Errorf("with it: %q, want %q", got, with)
	}
	if _, err := process.Revert(t.Context(), p.cmd.Process.Pid, u.ID(), process.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := p.ask(t); got != after {
		t.Errorf("after: %q, want %q", got, after)
	}
}

// outcomes makes updates of patches of all kinds.
func outcomes(t *testing.T, s *stand) {
	all := s.files("shop", "till", "libtax.so.1")
	for _, c := range []struct {
		name, file, old, text string
		installed             []string
		opt                   program.Options
		outcome               source.Outcome
		programs              string // that have an update
		code                  finding.Code
		objects               int
	}{
		{"a header", "price.h", "100", "50", all, program.Options{}, source.OutcomeMade, "shop till", "", 5},
		{"the way it is built", "Makefile", "-I. -c", "-I. -DPRICES -c", all, program.Options{}, source.OutcomeNoChange, "", "", 4},
		{"nothing that runs", "tax.h", "long tax", "\nlong tax", all, program.Options{}, source.OutcomeNoChange, "", "", 2},
		{"in an archive, of no program", "lib/unused.c", "17", "18", all, program.Options{}, source.OutcomeIgnored, "", "", 1},
		{"not of that file", "tax.c", "RATE", "20", s.files("till"), program.Options{}, source.OutcomeIgnored, "", "", 1},
		{"of what nobody knows", "tax.c", "RATE", "20", []string{s.other(t)}, program.Options{}, source.OutcomeRefused, "", program.CodeNotInstalled, 1},
		{"of what is not installed", "tax.c", "RATE", "20", nil, program.Options{}, source.OutcomeRefused, "", program.CodeNotInstalled, 1},
		{"what is copied", "till.c", ", 5)", ", 6)", all, program.Options{}, source.OutcomeMade, "till", "", 1},
		{"what makes source", "gen.c", "RATE 19", "RATE 18", all, program.Options{}, source.OutcomeMade, "libtax.so.1", "", 2},
		{"one of two", "lib/price.c", "> 9", "> 7", s.files("till"), program.Options{}, source.OutcomeMade, "till", "", 1},
		{"what nothing defines", "lib/price.c", "sum * 10 / PERCENT", "unheard_of(sum)", s.files("till"), program.Options{}, source.OutcomeRefused, "", splice.CodeUnresolved, 1},
		{"what a library may take from a program", "tax.c", "RATE", "unheard_of()", s.files("libtax.so.1"), program.Options{}, source.OutcomeMade, "libtax.so.1", "", 1},
		{"what the C library defines", "lib/price.c", "sum * 10 / PERCENT", "labs(sum)", s.files("till"), program.Options{}, source.OutcomeMade, "till", "", 1},
		{"another layout", "lib/price.c", "reductions, orders", "orders, reductions", all, program.Options{}, source.OutcomeJudge, "", finding.CodeTypeLayout, 1},
		{"no C", "tax.c", "return", "return return", all, program.Options{}, source.OutcomeFailed, "", program.CodeObject, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t, s, program.Source{Build: "make -j4", Installed: c.installed}, c.opt)
			r, err := b.Build(t.Context(), s.edit(t, c.file, c.old, c.text))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for i := range r.Programs {
				if r.Programs[i].Update != nil {
					names = append(names, r.Programs[i].Name)
				}
			}
			if r.Outcome != c.outcome || strings.Join(names, " ") != c.programs || len(r.Objects) != c.objects {
				t.Errorf("%s, %q, %d objects; %v", r.Outcome, names, len(r.Objects), r.Refusals)
			}
			if has := slices.ContainsFunc(r.Refusals, func(x *finding.Refusal) bool { return x.Code == c.code && x.Hint != "" }); has != (c.code != "") {
				t.Errorf("%v", r.Refusals)
			}
		})
	}
}

// parts has the command build some objects only: what is among them is found, and what is not is refused.
func parts(t *testing.T, s *stand) {
	calls := s.edit(t, "lib/price.c", "sum * 10 / PERCENT", "rounded(sum * 9 / 10 + 70)")
	for build, code := range map[string]finding.Code{"make lib/price.o": splice.CodeUnresolved, "make lib/price.o lib/round.o": ""} {
		b := open(t, s, program.Source{Build: build, Installed: []string{s.alone(t)}}, program.Options{})
		r, err := b.Build(t.Context(), calls)
		if err != nil {
			t.Fatal(err)
		}
		if made := len(r.Programs) == 1 && r.Programs[0].Update != nil; made != (code == "") {
			t.Errorf("%s: %s %+v", build, r.Outcome, r.Programs)
		}
		if code != "" && (len(r.Refusals) != 1 || r.Refusals[0].Code != code || r.Refusals[0].Symbol != "rounded") {
			t.Errorf("%s: %v", build, r.Refusals)
		}
	}
}

// unseen has a build make a part of a program alone: what the patches change beside that is told.
func unseen(t *testing.T, s *stand) {
	b := open(t, s, program.Source{Build: "make lib/price.o lib/round.o", Installed: []string{s.alone(t)}}, program.Options{})
	price := s.edit(t, "lib/price.c", "sum * 10 / PERCENT", "sum * 9 / 10 + 70")
	for _, c := range []struct {
		name    string
		patches []*patch.Patch
		in      source.Presence
		says    []string
	}{
		{"what is built", []*patch.Patch{price}, source.Whole, nil},
		{"a header", []*patch.Patch{s.edit(t, "price.h", "100", "50")}, source.Partly, []string{"include price.h"}},
		{"what is not", []*patch.Patch{price, s.edit(t, "shop.c", "main(void)", "main (void)")}, source.Partly, []string{"no object of shop.c"}},
	} {
		r, err := b.Build(t.Context(), c.patches...)
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome != source.OutcomeMade || r.Patches[0].In != c.in || len(r.Patches[0].Reasons) != len(c.says) {
			t.Errorf("%s: %s, %+v", c.name, r.Outcome, r.Patches)
			continue
		}
		for i, text := range c.says {
			if !strings.Contains(r.Patches[0].Reasons[i], text) {
				t.Errorf("%s: %q, want %q", c.name, r.Patches[0].Reasons[i], text)
			}
		}
	}
}

// alone is a stripped program of objects of the source, which is linked with the C library alone.
func (s *stand) alone(t *testing.T) string {
	t.Helper()
	main := filepath.Join(t.TempDir(), "main.c")
	if err := os.WriteFile(main, []byte("extern long price(long, long), rounded(long);\nint main(int n, char **a) { return price(n, 2) + rounded(n); }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "alone")
	run(t, s.installed, "gcc", "-O2", "-s", "-Wl,--build-id", "-o", out, main, "lib/price.o", "lib/round.o")
	return out
}

// foreseen refuses before anything is built.
func foreseen(t *testing.T, s *stand) {
	cache := t.TempDir()
	bare := filepath.Join(t.TempDir(), "bare")
	run(t, s.installed, "gcc", "-Wl,--build-id=none", "-o", bare, "copy/till.c", "libprice.a", "-I.")
	other := filepath.Join(t.TempDir(), "other")
	comment := filepath.Join(t.TempDir(), "comment")
	if err := os.WriteFile(comment, []byte("GCC: (Debian 99.1.0-1) 99.1.0\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, s.installed, "objcopy", "--update-section", ".comment="+comment, "till", other)
	for _, c := range []struct {
		name string
		src  program.Source
		code finding.Code
	}{
		{"LTO", program.Source{Build: "make CFLAGS=-flto; touch done"}, program.CodeLTO},
		{"no build-id", program.Source{Installed: []string{bare}}, program.CodeNoBuildID},
		{"another compiler", program.Source{Installed: []string{other}}, program.CodeOther},
	} {
		c.src.Dir = s.src
		_, err := program.Open(t.Context(), c.src, program.Options{Cache: cache})
		list := finding.Refusals(err)
		if len(list) != 1 || list[0].Code != c.code || list[0].Hint == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "*")); len(left) > 0 {
		t.Errorf("something was built: %q", left)
	}
}
