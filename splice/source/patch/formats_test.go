package patch

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// A history is a repository with commits of all kinds of changes, and the files at its first and
// its last commit.
type history struct {
	dir           string
	before, after files
}

// run runs a command in a folder.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, differs := err.(*exec.ExitError); err != nil && !(differs && strings.HasPrefix(filepath.Base(cmd.Path), "diff")) {
		t.Fatalf("%v: %v %s", cmd.Args, err, stderr.String())
	}
	return string(out)
}

// steps are the commits: what changes, nil content deletes; "a -> b" renames, "a => b" copies.
var steps = []struct {
	subject string
	change  map[string]*string
}{
	{"x: modify", map[string]*string{"d/one.c": text(strings.Replace(numbered(1, 60), "line 30\n", "LINE 30\n\n\ttab\r\n", 1))}},
	{"x: ä long subject that has so many words that headers of mails are folded, with ü and ö in it", map[string]*string{"d/two.c": text(numbered(5, 40)), "new/deep/f.h": text("a\nb")}},
	{"[media] x: delete", map[string]*string{"gone.c": nil, "d/empty": text("")}},
	{"x: move", map[string]*string{"d/one.c -> e/moved name.c": nil, "d/two.c => é.c": nil}},
	{"x: end", map[string]*string{"new/deep/f.h": text("a\nb\nc\n"), "d/two.c": text(strings.TrimSuffix(numbered(5, 41), "\n"))}},
	{"x: From here\n\nFrom the beginning of the line.\n\nFixes: 123456789abc (\"x\")\n", map[string]*string{"d/two.c": text(numbered(5, 39)), "script -> tools/script": nil}},
}

func text(s string) *string { return &s }

// newHistory makes the repository.
func newHistory(t *testing.T) history {
	testenv.Need(t, "git")
	h := history{dir: t.TempDir(), before: files{"d/one.c": numbered(1, 60), "d/two.c": numbered(1, 40), "gone.c": numbered(1, 9), "script": "#!/bin/sh\n"}}
	for name, content := range h.before {
		h.write(t, name, content)
	}
	run(t, git(h.dir, "init", "-q"))
	h.commit(t, "base")
	for _, s := range steps {
		for name, content := range s.change {
			from, to, renamed := strings.Cut(name, " -> ")
			source, copy, copied := strings.Cut(name, " => ")
			switch {
			case renamed:
				h.write(t, from, h.read(t, from)+"one more\n")
				os.MkdirAll(filepath.Dir(filepath.Join(h.dir, to)), 0o755)
				os.Rename(filepath.Join(h.dir, from), filepath.Join(h.dir, to))
			case copied:
				h.write(t, copy, h.read(t, source))
			case content == nil:
				os.Remove(filepath.Join(h.dir, name))
			default:
				h.write(t, name, *content)
			}
		}
		if s.subject == steps[2].subject {
			os.Chmod(filepath.Join(h.dir, "script"), 0o755)
		}
		h.commit(t, s.subject)
	}
	h.after = files{}
	filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(h.dir, path); err == nil && d.Type().IsRegular() && !strings.HasPrefix(name, ".git/") {
			h.after[name] = h.read(t, name)
		}
		return err
	})
	return h
}

func (h *history) write(t *testing.T, name, content string) {
	path := filepath.Join(h.dir, name)
	os.MkdirAll(filepath.Dir(path), 0o755)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (h *history) read(t *testing.T, name string) string {
	b, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (h *history) commit(t *testing.T, subject string) {
	run(t, git(h.dir, "add", "-A"))
	run(t, git(h.dir, "-c", "user.name=Jörg Größer", "-c", "user.email=j@example.org", "commit", "-q", "-m", subject))
}

// TestFormats reads what git and diff write about the same changes, in every form: each leads to
// the same files.
func TestFormats(t *testing.T) {
	h := newHistory(t)
	n := len(steps)
	tests := []struct {
		name    string
		args    []string
		patches int
		strip   int // -1: as it is found out
	}{
		{"diff", []string{"diff", "HEAD~6", "HEAD"}, 1, -1},
		{"diff, copies", []string{"diff", "-M", "-C", "--find-copies-harder", "HEAD~6", "HEAD"}, 1, -1},
		{"diff, -U1", []string{"diff", "-U1", "HEAD~6", "HEAD"}, 1, -1},
		{"diff, -U20", []string{"diff", "-U20", "HEAD~6", "HEAD"}, 1, -1},
		{"diff, no prefix", []string{"diff", "--no-prefix", "HEAD~6", "HEAD"}, 1, 0},
		{"diff, long prefix", []string{"diff", "--no-renames", "--src-prefix=x/y/", "--dst-prefix=z/y/", "HEAD~6", "HEAD"}, 1, 2},
		{"diff, no renames", []string{"diff", "--no-renames", "HEAD~6", "HEAD"}, 1, -1},
		{"diff, patience, functions", []string{"diff", "--patience", "-W", "HEAD~6", "HEAD"}, 1, -1},
		{"format-patch", []string{"format-patch", "--stdout", "-M", "HEAD~6"}, n, -1},
		{"format-patch, copies, cover letter", []string{"format-patch", "--stdout", "--cover-letter", "--find-copies-harder", "-C", "-v3", "HEAD~6"}, n, -1},
		{"format-patch, inline", []string{"format-patch", "--stdout", "--inline", "HEAD~6"}, n, -1},
		{"log", []string{"log", "-p", "--reverse", "HEAD~6.."}, n, -1},
		{"log, all of it", []string{"log", "-p", "-M", "--stat", "--summary", "--reverse", "--pretty=fuller", "HEAD~6.."}, n, -1},
		{"log, mails", []string{"log", "-p", "--reverse", "--pretty=email", "HEAD~6.."}, n, -1},
	}
	for _, tt := range tests {
		text := run(t, git(h.dir, tt.args...))
		patches, err := read(tt.name, strings.NewReader(text), tt.strip)
		if err != nil || len(patches) != tt.patches {
			t.Errorf("%s: %d patches, %v", tt.name, len(patches), err)
			continue
		}
		tree := NewTree(h.before.fs())
		for i, p := range patches {
			if err := tree.Apply(p); err != nil {
				t.Errorf("%s: %v\n%s", tt.name, err, text)
			}
			if want, _, _ := strings.Cut(steps[i].subject, "\n"); n == len(patches) && p.Subject != want {
				t.Errorf("%s: subject %q, want %q", tt.name, p.Subject, want)
			}
			if n == len(patches) && (p.Author != "Jörg Größer <j@example.org>" || p.Commit == "") {
				t.Errorf("%s: %q %q", tt.name, p.Author, p.Commit)
			}
		}
		h.check(t, tt.name, tree)
		for i := range patches {
			if err := tree.Apply(patches[len(patches)-1-i].Reverse()); err != nil {
				t.Errorf("%s: reversed: %v", tt.name, err)
			}
		}
		if left := tree.Changed(); len(left) > 0 {
			t.Errorf("%s: reversed: %q", tt.name, left)
		}
	}
}

// check holds the files of a tree against those of the last commit.
func (h *history) check(t *testing.T, name string, tree *Tree) {
	t.Helper()
	got := maps.Clone(h.before)
	for path, content := range tree.Changed() {
		if content == nil {
			delete(got, path)
		} else {
			got[path] = string(content)
		}
	}
	if !maps.Equal(got, h.after) {
		t.Errorf("%s: %v\nwant %v", name, sorted(got), sorted(h.after))
	}
	if modes := tree.Modes(); modes["tools/script"] != 0o755 && name != "diff -u" {
		t.Errorf("%s: %v", name, modes)
	}
}

// TestPlainDiff reads what diff -u writes of two folders. Empty files that come or go are not in it.
func TestPlainDiff(t *testing.T) {
	testenv.Need(t, "diff")
	h := newHistory(t)
	top := t.TempDir()
	for folder, list := range map[string]files{"linux-6.1": h.before, "linux": h.after} {
		at := history{dir: filepath.Join(top, folder)}
		for name, content := range list {
			at.write(t, name, content)
		}
	}
	for _, args := range [][]string{{"-urN"}, {"-upN", "-r"}, {"-r", "-N", "-U1"}, {"-urN", "--label", "a/x", "--label", "b/x"}} {
		cmd := exec.Command("diff", append(args, "linux-6.1", "linux")...)
		cmd.Dir, cmd.Env = top, append(os.Environ(), "TZ=Asia/Kolkata", "LC_ALL=C")
		out := run(t, cmd)
		patches, err := Read("diff", strings.NewReader(out))
		if err != nil {
			t.Errorf("%v: %v", args, err)
			continue
		}
		tree := NewTree(h.before.fs())
		err = tree.Apply(patches[0])
		if len(args) > 3 { // names that say nothing
			if err == nil {
				t.Errorf("%v: applied", args)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		want := maps.Clone(h.after)
		delete(want, "d/empty")
		(&history{before: h.before, after: want}).check(t, "diff -u", tree)
	}
}
