//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

const (
	preSource  = "extern int puts(const char *);\nint limit = 3;\nint f(int x) { puts(\"old\"); return x + 1; }\nint g(int x) { return x; }\n"
	postSource = "extern int puts(const char *);\nint limit = 3;\nstatic int calls;\nint f(int x) { calls++; puts(\"new\"); return x + calls; }\nint g(int x) { return x; }\n"
)

// built builds the command and the objects that the tests compare.
func built(t *testing.T) (exe, dir string) {
	t.Helper()
	testenv.Need(t, "gcc", "go")
	dir = t.TempDir()
	exe = filepath.Join(dir, "elfdiff")
	if out, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for name, src := range map[string]string{
		"pre":  preSource,
		"post": postSource,
		"data": strings.Replace(preSource, "limit = 3", "limit = 4", 1),
	} {
		c := filepath.Join(dir, name+".c")
		if err := os.WriteFile(c, []byte(src), 0o666); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("gcc", "-O2", "-fdata-sections", "-ffunction-sections", "-c", c, "-o", filepath.Join(dir, name+".o")).CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.o"), []byte("\x7fELF and no more"), 0o666); err != nil {
		t.Fatal(err)
	}
	return exe, dir
}

func TestExitStatus(t *testing.T) {
	exe, dir := built(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{"old": "pre.o", "new": "post.o", "bad": "bad.o", "empty": ""} {
		if err := os.Mkdir(filepath.Join(dir, to), 0o777); err != nil {
			t.Fatal(err)
		}
		if from == "" {
			continue
		}
		if err := os.Link(filepath.Join(dir, from), filepath.Join(dir, to, "a.o")); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		args   []string
		status int
		stdout string // a part of it
		stderr string
		writes bool
	}{
		{"changed", []string{"-o", "out.o", "pre.o", "post.o"}, 0, "changed function f", "", true},
		{"refused", []string{"-o", "out.o", "pre.o", "data.o"}, 2, "judge data-changed: limit", "", false},
		{"accepted", []string{"-accept", "data-changed", "-o", "out.o", "pre.o", "data.o"}, 3, "[accepted]", "", false},
		{"not acceptable", []string{"-accept", "opaque-code", "pre.o", "data.o"}, 64, "", "opaque-code", false},
		{"same", []string{"-o", "out.o", "pre.o", "pre.o"}, 3, "no change", "", false},
		{"damaged", []string{"pre.o", "bad.o"}, 1, "", "bad.o", false},
		{"missing", []string{"pre.o", "none.o"}, 1, "", "none.o", false},
		{"unwritable", []string{"-o", "none/out.o", "pre.o", "post.o"}, 1, "", "none", false},
		{"over pre", []string{"-o", "pre.o", "pre.o", "post.o"}, 1, "", "it is an input", false},
		{"over post by another name", []string{"-o", "../" + filepath.Base(dir) + "/post.o", "pre.o", "post.o"}, 1, "", "it is an input", false},
		{"a page over pre", []string{"-html", "pre.o", "pre.o", "post.o"}, 1, "", "it is an input", false},
		{"a page and an object", []string{"-html", "out.o", "-o", "./out.o", "pre.o", "post.o"}, 1, "", "both name", false},
		{"a page", []string{"-html", "page.html", "pre.o", "post.o"}, 0, "the listings are in page.html", "", false},
		{"a page that can't be written", []string{"-html", "none/page.html", "pre.o", "post.o"}, 1, "", "none", false},
		{"folders", []string{"old", "new"}, 0, "1 pair: 1 carried", "", false},
		{"pages of folders", []string{"-html", "pages", "old", "new"}, 0, "pages/index.html", "", false},
		{"a damaged one in folders", []string{"old", "bad"}, 1, "error    a.o", "1 pair could not be compared", false},
		{"one output for many", []string{"-o", "out.o", "old", "new"}, 1, "", "-o is for one pair", false},
		{"nothing in folders", []string{"old", "empty"}, 1, "", "no object has the same path", false},
		{"a pipe", []string{"pipe", "post.o"}, 1, "", "not a regular file, but a pipe", false},
		{"a device", []string{"pre.o", "/dev/zero"}, 1, "", "not a regular file, but a device", false},
		{"into a device", []string{"-o", "/dev/full", "pre.o", "post.o"}, 1, "", "not a regular file", false},
		{"a file and a folder", []string{"pre.o", "."}, 1, "", "folder", false},
		{"a name that a terminal obeys", []string{"pre.o", "none\x1b[2J.o"}, 1, "", `none\u001b[2J.o`, false},
		{"one argument", []string{"pre.o"}, 64, "", "usage:", false},
		{"unknown flag", []string{"-what", "pre.o", "post.o"}, 64, "", "usage:", false},
		{"help", []string{"-h"}, 0, "usage:", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(dir, "out.o")
			os.Remove(out)
			var stdout, stderr strings.Builder
			cmd := exec.Command(exe, c.args...)
			cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
			status := 0
			var exit *exec.ExitError
			if err := cmd.Run(); errors.As(err, &exit) {
				status = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if status != c.status {
				t.Errorf("exit status %d, want %d\n%s%s", status, c.status, &stdout, &stderr)
			}
			if !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("stdout %q, stderr %q", &stdout, &stderr)
			}
			if strings.Contains(stdout.String(), "\x1b") {
				t.Error("colour where there is no terminal")
			}
			if _, err := os.Stat(out); (err == nil) != c.writes {
				t.Errorf("out.o: %v, want written %v", err, c.writes)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	exe, dir := built(t)
	type entry struct {
		Name, Status string
		Reasons      []map[string]any
	}
	type doc struct {
		Schema             int
		Functions, Data    []entry
		Findings, Refusals []map[string]any
	}
	decode := func(args ...string) (doc, string) {
		cmd := exec.Command(exe, append([]string{"-json"}, args...)...)
		cmd.Dir = dir
		out, _ := cmd.Output()
		var d doc
		if err := json.Unmarshal(out, &d); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if strings.Contains(string(out), "null") {
			t.Errorf("null in\n%s", out)
		}
		return d, string(out)
	}
	d, text := decode("pre.o", "post.o")
	if d.Schema != 1 || len(d.Functions) != 1 || d.Functions[0].Name != "f" || d.Functions[0].Status != "changed" || len(d.Functions[0].Reasons) == 0 {
		t.Errorf("functions of\n%s", text)
	}
	if len(d.Data) != 1 || d.Data[0].Status != "new" || !strings.HasPrefix(d.Data[0].Name, "calls") {
		t.Errorf("data of\n%s", text)
	}
	if d, text := decode("-all", "pre.o", "pre.o"); len(d.Functions) != 2 || d.Functions[0].Status != "same" || d.Findings == nil || d.Refusals == nil {
		t.Errorf("-all:\n%s", text)
	}
	if _, text := decode("-explain", "pre.o", "post.o"); !strings.Contains(text, "functions") {
		t.Errorf("-explain:\n%s", text)
	}
	d, text = decode("pre.o", "data.o")
	if len(d.Refusals) != 1 {
		t.Fatalf("refusals of\n%s", text)
	}
	for _, key := range []string{"code", "symbol", "section", "offset", "message", "hint"} {
		if _, ok := d.Refusals[0][key]; !ok {
			t.Errorf("a refusal without %s:\n%s", key, text)
		}
	}
}
