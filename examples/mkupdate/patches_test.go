//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/splice/source/report"
)

// TestMain has the test be the command when a job asks for it.
func TestMain(m *testing.M) {
	if os.Getenv("MKUPDATE_TEST_JOB") != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestForms finds out what is meant, and says what does not go together.
func TestForms(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"object": "\x7fELF", "p.o": "--- a/x\n", "kept": "gosplice bundle\n", "fix.patch": "--- a/x\n"} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		line string
		form form
		says string // of the error, "" where there is none
	}{
		{"fix.patch", formPatches, ""},
		{"p.o", formPatches, ""},
		{"-run v -name n object object", formObjects, ""},
		{"-run v -name n m:object object", formObjects, ""},
		{"-run v -name n a.o b.o", formObjects, ""},
		{"-collect d", formCollect, ""},
		{"-collect d fix.patch", formCollect, ""},
		{"-clean", formClean, ""},
		{"-clean=30d", formClean, ""},
		{"-src s -config c -run v fix.patch", formPatches, ""},
		{"-kernel 6.1 -module m.ko -src s fix.patch", formPatches, ""},
		{"-src s -config c -run v -module m.ko=d -module n.ko -src e fix.patch", formPatches, ""},
		{"-kernel 6.1 -module m.ko -module n.ko -src s -module-make A=b -extra-symvers s fix.patch", formPatches, ""},
		{"-series s", formPatches, ""},
		{"-by-file -each d.diff", formPatches, ""},
		{"-by-file -keep-going d.diff", formPatches, ""},
		{"-by-file -jobs d.diff", formPatches, ""},
		{"", 0, "no patch is given"},
		{"fix.patch object", 0, "fix.patch is a patch, and object an object"},
		{"-run v -name n object", 0, "odd number of objects"},
		{"object object", 0, "-run is missing"},
		{"-run v -name n -each object object", 0, "that is for patches"},
		{"fix.patch -out d", 0, "flags go before"},
		{"-run v fix.patch", 0, "-src is missing"},
		{"-src s fix.patch", 0, "-src needs -config"},
		{"-kernel r -src s -config c -run v fix.patch", 0, "not both"},
		{"-each -keep-going fix.patch", 0, "not both"},
		{"-by-file fix.patch", 0, "-by-file goes with -each"},
		{"-run v -name n -by-file object object", 0, "that is for patches"},
		{"-only 1 fix.patch", 0, "-only goes with -each"},
		{"-each -o x.ko fix.patch", 0, "give -out DIR"},
		{"-o x fix.patch", 0, "*.ko"},
		{"-module m.ko fix.patch", 0, "wants the source"},
		{"-module m.ko -module n.ko=d fix.patch", 0, "is not FILE.ko=DIR"},
		{"-module-make A=b fix.patch", 0, "go with -module"},
		{"-run v -name n -module m.ko=d object object", 0, "-module is for patches"},
		{"-target a=b fix.patch", 0, "-target is for objects"},
		{"-replace a.ko -each fix.patch", 0, "goes with one update"},
		{"-replace a.ko fix.patch", formPatches, ""},
		{"-replace fix.patch", formPatches, ""},
		{"-replace=a.txt fix.patch", 0, "is no FILE.ko"},
		{"-clean=x", 0, "no age"},
		{"-clean fix.patch", 0, "takes no patches"},
		{"-collect d object", 0, "where patches are wanted"},
		{"-src s -build make fix.patch", formPrograms, ""},
		{"-src s -build make -installed a -installed b -rebuild -o x fix.patch", formPrograms, ""},
		{"-build make fix.patch", 0, "goes with -src DIR"},
		{"-src s -build make", 0, "no patch is given, and no version"},
		{"-src s -build make -kernel r fix.patch", 0, "that is for kernels"},
		{"-src s -build make -each fix.patch", 0, "one update is made for each program"},
		{"-src s -build make -no-jumps fix.patch", 0, "modules of a kernel"},
		{"-installed a fix.patch", 0, "go with -package"},
		{"-package p fix.patch", formPrograms, ""},
		{"-package p=1 -to 2", formPrograms, ""},
		{"-src s -build make -to d", formPrograms, ""},
		{"-package p", 0, "no version to go to"},
		{"-package p -to 2 fix.patch", 0, "not both"},
		{"-package p -src s -build make fix.patch", 0, "not both"},
		{"-to 2 fix.patch", 0, "go with -package"},
		{"-run kcore fix.patch", formPatches, ""},
		{"-run kcore kept", formBundle, ""},
		{"-run kcore other.bundle", formBundle, ""},
		{"kept", 0, "-run is missing"},
		{"-run kcore -each kept", 0, "that is for patches"},
		{"-kernel r -bundle b fix.patch", formPatches, ""},
		{"-kernel r -each -bundle b fix.patch", formPatches, ""},
		{"-kernel r -bundle b -replace x.ko fix.patch", 0, "no certain other one's place"},
		{"-run kcore kept other.bundle", formBundle, ""},
		{"-run kcore -out d kept other.bundle", formBundle, ""},
		{"-run kcore -o x.ko kept other.bundle", 0, "several bundles go to -out"},
		{"-run kcore kept fix.patch", 0, "kept is a bundle"},
		{"-run v -name n -bundle b object object", 0, "-bundle goes with patches"},
		{"-run kcore -src s fix.patch", formPatches, ""},
		{"-run kcore -jobs fix.patch", 0, "kernel of this machine"},
		{"-src s -config c -run v -try fix.patch", 0, "-boot VMLINUZ"},
	} {
		opt, err := parse(strings.Fields(c.line))
		switch {
		case c.says == "" && (err != nil || opt.form != c.form):
			t.Errorf("%q: %v", c.line, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%q: %v, want %q", c.line, err, c.says)
		}
	}
}

// TestByFile has each file of a patch be a patch of its own.
func TestByFile(t *testing.T) {
	dir := t.TempDir()
	between := filepath.Join(dir, "between.diff")
	text := head + "-\tseq_putc(m, '\\n');\n+\tseq_puts(m, \"\\n\");\n \treturn 0;\n }\n"
	text += strings.ReplaceAll(text, "cmdline.c", "version.c")
	if err := os.WriteFile(between, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	status, jobs, errs := tool.Try(t.Context(), run, "-jobs", "-by-file", "-out", dir, between)
	if status != exitMade || strings.Count(jobs, " -by-file ") != 2 || !strings.Contains(jobs, "-only 2 -- "+between) {
		t.Errorf("status %d: %s\n%s", status, errs, jobs)
	}
	status, table, errs := tool.Try(t.Context(), run, "-collect", dir, "-by-file", "-dry-run", between)
	if status != exitError || !strings.Contains(table, "cmdline_c") || !strings.Contains(table, "version_c") {
		t.Errorf("status %d: %s\n%s", status, errs, table)
	}
}

const head = "--- a/fs/proc/cmdline.c\n+++ b/fs/proc/cmdline.c\n@@ -8,6 +8,6 @@\n static int cmdline_proc_show(struct seq_file *m, void *v)\n {\n \tseq_puts(m, saved_command_line);\n"

// testPatches are patches of the stock kernel: one that can be carried, one that does not
// compile, and one of another version.
var testPatches = map[string]string{
	"it's_good.patch": head + "-\tseq_putc(m, '\\n');\n+\tseq_puts(m, \" patched\\n\");\n \treturn 0;\n }\n",
	"wrong.patch":     head + "-\tseq_putc(m, '\\n');\n+\tseq_what(m);\n \treturn 0;\n }\n",
	"other.patch":     strings.Replace(head, "saved", "another", 1) + "-\tseq_putc(m, '\\n');\n+\tseq_puts(m, \"\\n\");\n \treturn 0;\n }\n",
	"version.patch":   "--- a/fs/proc/version.c\n+++ b/fs/proc/version.c\n@@ -9,6 +9,7 @@\n static int version_proc_show(struct seq_file *m, void *v)\n {\n+\tseq_puts(m, \"new: \");\n \tseq_printf(m, linux_proc_banner,\n \t\tutsname()->sysname,\n \t\tutsname()->release,\n \t\tutsname()->version);\n",
	"series":          "it's_good.patch\nwrong.patch\nother.patch\n",
}

// TestJobs prints a command for each patch and has two workers of GNU parallel run them: the
// table of what they leave is the one of -each.
func TestJobs(t *testing.T) {
	if testing.Short() {
		t.Skip("makes modules for a kernel")
	}
	k := vmtest.Need(t, "6.1")
	testenv.Need(t, "parallel", "gcc-12")
	dir := t.TempDir()
	for name, text := range testPatches {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("MKUPDATE_TEST_JOB", "1")
	status, jobs, errs := tool.Try(t.Context(), run, "-kernel", k.Release, "-jobs", "-out", "many", "-series", "series")
	if status != exitMade || strings.Count(jobs, "\n") != 3 {
		t.Fatalf("status %d: %s\n%s", status, errs, jobs)
	}
	parallel := exec.CommandContext(t.Context(), "parallel", "-j2")
	parallel.Stdin = strings.NewReader(jobs)
	out, err := parallel.CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 { // two of them are refused
		t.Fatalf("%v\n%s", err, out)
	}
	status, text, errs := tool.Try(t.Context(), run, "-json", "-collect", "many", "-series", "series")
	if status != exitRefused {
		t.Errorf("status %d, %s", status, errs)
	}
	want := []string{"it_s_good made", "other failed", "wrong failed"}
	if diff := cmp.Diff(want, rowsOf(t, text)); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	status, text, errs = tool.Try(t.Context(), run, "-kernel", k.Release, "-json", "-each", "-out", "one", "-series", "series")
	if status != exitRefused {
		t.Errorf("status %d, %s", status, errs)
	}
	if diff := cmp.Diff([]string{want[0], want[2], want[1]}, rowsOf(t, text)); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	for _, name := range []string{"it_s_good.ko", "it_s_good.html", "wrong.json", "index.html"} {
		for _, folder := range []string{"many", "one"} {
			if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
				t.Error(err)
			}
		}
	}
	a, errA := os.ReadFile("many/it_s_good.ko")
	if b, errB := os.ReadFile("one/it_s_good.ko"); errA != nil || errB != nil || string(a) != string(b) {
		t.Error("one worker of several makes another module")
	}
}

// TestEachTry tries the updates of several patches in one guest, and in a new one behind one
// that kills it.
func TestEachTry(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a kernel")
	}
	k := vmtest.Need(t, "6.1")
	testenv.Need(t, "gcc-12")
	t.Chdir(t.TempDir())
	kill := strings.Replace(testPatches["it's_good.patch"], `seq_puts(m, " patched\n")`, `panic("as asked")`, 1)
	exe := filepath.Join(t.TempDir(), "look")
	look := "package main\nimport \"os\"\nfunc main() { if b, err := os.ReadFile(\"/proc/cmdline\"); err != nil { os.Exit(1) } else { os.Stdout.Write(b) } }\n"
	for name, text := range map[string]string{"good.patch": testPatches["it's_good.patch"], "kill.patch": kill, "look.go": look, "series": "good.patch\nkill.patch\ngood.patch\n"} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", exe, "look.go")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	status, text, errs := tool.Try(t.Context(), run, "-kernel", k.Release, "-json", "-each", "-exercise", exe, "-out", "out", "-series", "series")
	if status != exitRefused {
		t.Errorf("status %d, %s", status, errs)
	}
	var table report.Table
	if err := json.Unmarshal([]byte(text), &table); err != nil {
		t.Fatal(err, text)
	}
	var got []string
	for _, r := range table.Rows {
		got = append(got, r.Name+" "+r.Trial+" "+r.Module)
	}
	if diff := cmp.Diff([]string{"good passed good.ko", "kill failed ", "good_2 passed good_2.ko"}, got); diff != "" {
		t.Error(diff)
	}
	if text, err := os.ReadFile("out/good_2.json"); err != nil || !strings.Contains(string(text), "guest number 2: the one before was given up behind kill: its kernel died") {
		t.Errorf("no note on the new guest: %v", err)
	}
}

// TestFailures: a run that ends with an error leaves its report, which says what was done and
// what to do. One whose flags make no sense leaves none.
func TestFailures(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // there is no apt
	for _, c := range []struct {
		line   string
		leaves string // "" for nothing
		next   string
	}{
		{"-kernel 6.1.0-1-none good.patch", "good.json", "install what is missing"},
		{"-kernel 6.1.0-1-none -o sub/x.ko good.patch", "sub/x.json", "install what is missing"},
		{"-kernel 6.1.0-1-none missing.patch", "missing.json", "name a file that is there"},
		{"-kernel 6.1.0-1-none other.txt", "other_txt.json", "mend that line"},
		{"-kernel 6.1.0-1-none -series missing", "missing.json", "name a file that is there"},
		{"-kernel 6.1.0-1-none -each -out d good.patch", "d/index.json", "install what is missing"},
		{"-kernel 6.1.0-1-none -each -only 1 -out d good.patch", "d/good.json", "install what is missing"},
		{"-kernel 6.1.0-1-none -each -only 3 -out d missing.patch", "d/patch_3.json", "name a file that is there"},
		{"-src s -config missing -run v good.patch", "good.json", "name a file that is there"},
		{"-kernel 6.1.0-1-none -dry-run good.patch", "", ""},
		{"-kernel 6.1.0-1-none -each -only 3 good.patch", "", ""},
		{"-kernel 6.1.0-1-none -nonsense good.patch", "", ""},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := errors.Join(os.WriteFile("good.patch", []byte(testPatches["it's_good.patch"]), 0o666), os.WriteFile("other.txt", []byte("--- a/x\n+++ b/x\n@@ what\n"), 0o666)); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"-cache", t.TempDir()}, strings.Fields(c.line)...)
			status, out, errs := tool.Try(t.Context(), run, args...)
			if status == exitMade || errs == "" {
				t.Errorf("status %d, %s", status, errs)
			}
			if c.leaves == "" {
				if list, _ := filepath.Glob("*"); len(list) != 2 {
					t.Errorf("it leaves %q", list)
				}
				return
			}
			text, err := os.ReadFile(c.leaves)
			var d struct{ Failure *report.Failure }
			if err := errors.Join(err, json.Unmarshal(text, &d)); err != nil {
				t.Fatal(err)
			}
			if d.Failure == nil || !strings.Contains(d.Failure.Next, c.next) || !strings.Contains(out, c.next) || !strings.Contains(errs, d.Failure.Text) {
				t.Errorf("%+v\n%s\n%s", d.Failure, out, errs)
			}
			if _, err := os.Stat(strings.TrimSuffix(c.leaves, ".json") + ".html"); err != nil {
				t.Error(err)
			}
		})
	}
}

func rowsOf(t *testing.T, text string) (out []string) {
	t.Helper()
	var table report.Table
	if err := json.Unmarshal([]byte(text), &table); err != nil {
		t.Fatal(err, text)
	}
	for _, r := range table.Rows {
		out = append(out, r.Name+" "+string(r.Outcome))
	}
	return out
}

// TestPatches makes one update of all that can be carried, and writes nothing where it must
// not.
func TestPatches(t *testing.T) {
	if testing.Short() {
		t.Skip("makes modules for a kernel")
	}
	k := vmtest.Need(t, "6.1")
	testenv.Need(t, "gcc-12")
	t.Chdir(t.TempDir())
	for name, text := range testPatches {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename("it's_good.patch", "in.html"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		status int
		says   string
		writes string
	}{
		{[]string{"-dry-run", "in.html"}, exitMade, "nothing written", ""},
		{[]string{"-name", "fix", "in.html"}, exitMade, "wrote fix.ko", "fix.ko"},
		{[]string{"-name", "in", "in.html"}, exitError, "", ""}, // in.html is an input
		{[]string{"-keep-going", "-name", "all", "in.html", "wrong.patch", "other.patch"}, exitMade, "3 patches: 1 in as a whole, 2 not in", "all.ko"},
		{[]string{"wrong.patch"}, exitRefused, "refused compile", "wrong.json"},
		{[]string{"-replace", "fix.ko", "-name", "two", "in.html", "version.patch"}, exitMade, "2 patches: 2 in as a whole", "two.ko"},
		{[]string{"-replace", "two.ko", "-name", "three", "version.patch"}, exitRefused, "judge lost: two", "three.json"},
		{[]string{"-replace=two.ko", "-accept", "lost:two=so it is", "-name", "four", "version.patch"}, exitMade, "[accepted: so it is]", "four.ko"},
		{[]string{"-replace", "fix.json.ko", "-name", "five", "version.patch"}, exitError, "name a file that is there", "five.json"},
		{[]string{"-o", "sub/x.ko", "other.patch"}, exitRefused, "patch-other-version", "sub/x.html"},
	} {
		status, out, errs := tool.Try(t.Context(), run, append([]string{"-kernel", k.Release}, c.args...)...)
		if status != c.status || !strings.Contains(out, c.says) {
			t.Errorf("%q: status %d, %s, want %d and %q in\n%s", c.args, status, errs, c.status, c.says, out)
		}
		if _, err := os.Stat(c.writes); c.writes != "" && err != nil {
			t.Errorf("%q: %v", c.args, err)
		}
	}
	if _, err := os.Stat("in.ko"); err == nil {
		t.Error("a module is written though its report can't be")
	}
}
