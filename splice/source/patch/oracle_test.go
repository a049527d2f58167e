package patch

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// A tree of files by their paths, for tests.
type files map[string]string

func (fsys files) fs() fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range fsys {
		m[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	return m
}

// gitApply applies a patch with git itself, in a folder of its own, and returns the files.
func gitApply(t testing.TB, base files, text string, args ...string) (files, string, bool) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range base {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := git(dir, append([]string{"apply", "--whitespace=nowarn"}, append(args, "-")...)...)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	after := files{}
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			content, _ := os.ReadFile(path)
			name, _ := filepath.Rel(dir, path)
			after[name] = string(content)
		}
		return err
	})
	return after, string(out), err == nil
}

// git is a command of git that knows no repository and no configuration.
func git(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "LC_ALL=C")
	return cmd
}

// ourApply applies a patch with this package, and returns the files.
func ourApply(base files, text string) (files, error) {
	patches, err := Read("p", strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	tree := NewTree(base.fs())
	for _, p := range patches {
		if err := tree.Apply(p); err != nil {
			return nil, err
		}
	}
	after := maps.Clone(base)
	for name, content := range tree.Changed() {
		if content == nil {
			delete(after, name)
		} else {
			after[name] = string(content)
		}
	}
	return after, nil
}

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

// A gitCase is a patch that is held against git.
type gitCase struct {
	name     string
	base     files
	patch    string
	stricter bool // git takes it, and this package does not
}

func likeGit() []gitCase {
	ten := numbered(1, 10)
	return []gitCase{
		{"plain", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"-p0", files{"f": ten}, "--- f\n+++ f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"offset", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -7,3 +7,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"no fuzz", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 3\n-line 5\n+LINE 5\n line 6\n", false},
		{"line 1", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"no trailing context", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,2 +4,2 @@\n line 4\n-line 5\n+LINE 5\n", false},
		{"at the end", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,2 +4,2 @@\n line 9\n-line 10\n+LINE 5\n", false},
		{"no context, insert", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,0 +5 @@\n+new\n", true},
		{"no context, insert at the end", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -10,0 +11 @@\n+new\n", false},
		{"no context, replace", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -5 +5 @@\n-line 5\n+new\n", false},
		{"no context, replace line 1", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-line 1\n+new\n", false},
		{"no context, one line", files{"f": "a\n"}, "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+new\n", false},
		{"no context, insert at line 1", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+new\n", false},
		{"create by /dev/null", files{}, "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+new\n", false},
		{"create by the epoch", files{}, "--- a/f\t1970-01-01 00:00:00.000000000 +0000\n+++ b/f\t2020-01-01 00:00:00.000000000 +0000\n@@ -0,0 +1 @@\n+new\n", false},
		{"create by the epoch, zone", files{}, "--- a/f\t1970-01-01 01:00:00.000000000 +0100\n+++ b/f\t2020-01-01 00:00:00.000000000 +0000\n@@ -0,0 +1 @@\n+new\n", false},
		{"create by the counts", files{}, "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+new\n", false},
		{"add to empty", files{"f": ""}, "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+new\n", false},
		{"create what is empty by the epoch", files{"f": ""}, "--- a/f\t1970-01-01 00:00:00.000000000 +0000\n+++ b/f\t2020-01-01 00:00:00.000000000 +0000\n@@ -0,0 +1 @@\n+new\n", false},
		{"delete by /dev/null", files{"f": "a\n"}, "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", false},
		{"delete by the epoch", files{"f": "a\n"}, "--- a/f\t2020-01-01 00:00:00.000000000 +0000\n+++ b/f\t1970-01-01 00:00:00.000000000 +0000\n@@ -1 +0,0 @@\n-a\n", false},
		{"emptied", files{"f": "a\n"}, "--- a/f\n+++ b/f\n@@ -1 +0,0 @@\n-a\n", false},
		{"emptied, git", files{"f": "a\n"}, "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +0,0 @@\n-a\n", false},
		{"delete more", files{"f": "a\nb\n"}, "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", false},
		{"create what is there", files{"f": "a\n"}, "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+new\n", false},
		{"git create", files{}, "diff --git a/d/f b/d/f\nnew file mode 100644\nindex 000..111\n--- /dev/null\n+++ b/d/f\n@@ -0,0 +1 @@\n+new\n", false},
		{"git create empty", files{}, "diff --git a/d/f b/d/f\nnew file mode 100644\nindex 000..111\n", false},
		{"git delete empty", files{"d/f": ""}, "diff --git a/d/f b/d/f\ndeleted file mode 100644\nindex 000..111\n", false},
		{"git delete", files{"d/f": "a\n"}, "diff --git a/d/f b/d/f\ndeleted file mode 100644\n--- a/d/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", false},
		{"rename", files{"d/f": "a\n"}, "diff --git a/d/f b/e/g\nsimilarity index 100%\nrename from d/f\nrename to e/g\n", false},
		{"rename and change", files{"d/f": ten}, "diff --git a/d/f b/e/g\nsimilarity index 90%\nrename from d/f\nrename to e/g\n--- a/d/f\n+++ b/e/g\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"copy", files{"f": "a\n"}, "diff --git a/f b/g\nsimilarity index 100%\ncopy from f\ncopy to g\n", false},
		{"copy of what is changed", files{"f": ten}, "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\ndiff --git a/f b/g\nsimilarity index 100%\ncopy from f\ncopy to g\n", false},
		{"swap", files{"f": "a\n", "g": "b\n"}, "diff --git a/f b/g\nsimilarity index 100%\nrename from f\nrename to g\ndiff --git a/g b/f\nsimilarity index 100%\nrename from g\nrename to f\n", false},
		{"rename over", files{"f": "a\n", "g": "b\n"}, "diff --git a/f b/g\nsimilarity index 100%\nrename from f\nrename to g\n", false},
		{"mode", files{"f": "a\n"}, "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n", false},
		{"mode, not what it was", files{"f": "a\n"}, "diff --git a/f b/f\nnew mode 100755\n", false},
		{"mode, the same", files{"f": "a\n"}, "diff --git a/f b/f\nold mode 100644\nnew mode 100644\n", false},
		{"mode, not what it was, and lines", files{"f": "a\n"}, "diff --git a/f b/f\nnew mode 100755\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n", false},
		{"only garbage", files{"f": "a\n"}, "diff --git a/f b/f\nindex 1..2 100644\n", false},
		{"nothing changes", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,1 +4,1 @@\n line 4\n", false},
		{"no diff", files{"f": ten}, "hello\n", false},
		{"twice", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-LINE 5\n+more\n line 6\n", false},
		{"create and change", files{}, "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+new\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-new\n+newer\n", false},
		{"overlap", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n@@ -6,3 +6,3 @@\n line 6\n-line 7\n+LINE 7\n line 8\n", false},
		{"hunks out of order", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -7,3 +7,3 @@\n line 7\n-line 8\n+LINE 8\n line 9\n@@ -3,3 +3,3 @@\n line 3\n-line 4\n+LINE 4\n line 5\n", false},
		{"without line feed", files{"f": "a\nb"}, "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n", false},
		{"gets a line feed", files{"f": "a\nb"}, "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n", false},
		{"loses the line feed", files{"f": "a\nb\n"}, "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n", false},
		{"context without line feed in the middle", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n line 2\n-line 3\n+LINE 3\n line 4\n\\ No newline at end of file\n", true},
		{"line feed where none is", files{"f": "a\nb"}, "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n", false},
		{"CR LF", files{"f": "a\r\nb\r\nc\r\n"}, "--- a/f\r\n+++ b/f\r\n@@ -1,3 +1,3 @@\r\n a\r\n-b\r\n+B\r\n c\r\n", false},
		{"CR LF of the file", files{"f": "a\r\nb\r\nc\r\n"}, "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\r\n-b\r\n+B\r\n c\r\n", false},
		{"CR LF of the patch", files{"f": "a\nb\nc\n"}, "--- a/f\r\n+++ b/f\r\n@@ -1,3 +1,3 @@\r\n a\r\n-b\r\n+B\r\n c\r\n", false},
		{"empty context", files{"f": "a\n\nc\nd\n"}, "--- a/f\n+++ b/f\n@@ -1,4 +1,4 @@\n a\n\n-c\n+C\n d\n", false},
		{"cut off", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n", false},
		{"cut off in a line", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6", false},
		{"cut off in a line, git", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line ", false},
		{"more than counted", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n+more\n", true},
		{"broken header of the second", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n@@-7 +7 @@\n+more\n", true},
		{"signature", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n-- \n2.39\n\n", false},
		{"hunk without file", files{"f": ten}, "@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"parent", files{"f": ten}, "--- a/../f\n+++ b/../f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"repository", files{}, "--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+new\n", false},
		{"absolute", files{"f": ten}, "diff --git a//etc/x b//etc/x\nnew file mode 100644\n--- /dev/null\n+++ b//etc/x\n@@ -0,0 +1 @@\n+new\n", false},
		{"orig", files{"f": ten}, "--- a/f.orig\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"new", files{"f": ten}, "--- a/f\n+++ b/f.new\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"other folders", files{"d/f": ten}, "--- linux-6.1/d/f\t2020-01-02 03:04:05.000000000 +0100\n+++ linux/d/f\t2020-01-02 03:04:06.000000000 +0100\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"time after a space", files{"d/f": ten}, "--- a/d/f 2020-01-02 03:04:05.000000000 +0100\n+++ b/d/f 2020-01-02 03:04:06.000000000 +0100\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"space in the name", files{"d/a f": ten}, "diff --git a/d/a f b/d/a f\n--- a/d/a f\t\n+++ b/d/a f\t\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"quoted name", files{"d/\u00e9": ten}, "diff --git \"a/d/\\303\\251\" \"b/d/\\303\\251\"\n--- \"a/d/\\303\\251\"\n+++ \"b/d/\\303\\251\"\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"mode, space in the name", files{"d/a f": ten}, "diff --git a/d/a f b/d/a f\nold mode 100644\nnew mode 100755\n", false},
		{"missing", files{}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"folder", files{"f/x": ten}, "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", true},
		{"below a file", files{"f": ten}, "--- /dev/null\n+++ b/f/g\n@@ -0,0 +1 @@\n+new\n", false},
		{"header of 2 kinds", files{"f": "a\n"}, "diff --git a/f b/f\nnew file mode 100644\ndeleted file mode 100644\n", false},
		{"delete and create", files{"f": "a\n"}, "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\ndiff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+b\n", false},
		{"huge number", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -99999999999999999999,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", true},
		{"far away", files{"f": ten}, "--- a/f\n+++ b/f\n@@ -100000000,3 +100000000,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"diff line in the text", files{"f": ten}, "text\ndiff --git a/f b/f\n\n--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", true},
		{"change and rename", files{"f": ten}, "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\ndiff --git a/f b/g\nsimilarity index 100%\nrename from f\nrename to g\n", true},
		{"another name on the first line", files{"f": ten}, "diff --git a/g b/g\n--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", false},
		{"two names", files{"f": ten, "g": ten}, "diff --git a/f b/g\n--- a/f\n+++ b/g\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n", true},
	}
}

// TestLikeGit holds single cases against git: accepted by both with the same files, or refused
// by both. Where we are stricter, the case says so.
func TestLikeGit(t *testing.T) {
	testenv.Need(t, "git")
	for _, tt := range likeGit() {
		t.Run(tt.name, func(t *testing.T) {
			want, out, ok := gitApply(t, tt.base, tt.patch)
			got, err := ourApply(tt.base, tt.patch)
			same := err == nil && ok && maps.Equal(got, want)
			if tt.stricter && (err == nil || !ok) || !tt.stricter && !same && (ok || err == nil) {
				t.Errorf("git %v %s%v\nwe %v\n%v", ok, out, sorted(want), err, sorted(got))
			}
			if testing.Verbose() {
				t.Logf("git %v %s\nwe %v", ok, out, err)
			}
		})
	}
}

func sorted(f files) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		out = append(out, fmt.Sprintf("%s: %q", name, f[name]))
	}
	return out
}
