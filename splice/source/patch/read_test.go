package patch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gosplice/gosplice/elfdiff/finding"
)

const change = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"

// said is what a patch says about itself.
type said struct {
	Name, Subject, Author, Commit, Upstream string
	CVEs, Fixes, Links                      []string
}

// A sayingCase is a patch with text around its diff.
type sayingCase struct {
	name, text string
	want       []said
}

func saying() []sayingCase {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	return []sayingCase{
		{"plain", change, []said{{Name: "plain"}}},
		{"text", "net: fix the length\n\nfor CVE-2024-12345, cve-2024-12345.\n\n" + change,
			[]said{{Name: "text", Subject: "net: fix the length", CVEs: []string{"CVE-2024-12345"}}}},
		{"CVE-2020-1234.patch", change, []said{{Name: "CVE-2020-1234.patch", CVEs: []string{"CVE-2020-1234"}}}},
		{"format-patch", "From " + commit + " Mon Sep 17 00:00:00 2001\nFrom: =?UTF-8?q?J=C3=B6rg?= <j@x>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n" +
			"Subject: [PATCH v2 1/3] net: a long\n =?UTF-8?q?s=C3=BCbject?=\n\n[ Upstream commit abcdef0123456789abcdef0123456789abcdef01 ]\n\nText.\n\n" +
			"Fixes: 123456789abc (\"net: it\")\nLink: https://lore.kernel.org/r/1\nSigned-off-by: J <j@x>\n---\n f | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\ndiff --git a/f b/f\n" + change + "-- \n2.39.2\n\n",
			[]said{{"format-patch", "net: a long sübject", "Jörg <j@x>", commit, "abcdef0123456789abcdef0123456789abcdef01", nil, []string{`123456789abc ("net: it")`}, []string{"https://lore.kernel.org/r/1"}}}},
		{"another author", "From: sender <s@x>\nSubject: Re: [RFC] [media] x: y\n\nFrom: author <a@x>\n\nText\n---\n" + change,
			[]said{{Name: "another author", Subject: "[media] x: y", Author: "author <a@x>"}}},
		{"git show", "commit " + commit + "\nAuthor: A <a@x>\nDate:   Mon Jan 1 00:00:00 2024 +0000\n\n    net: do\n    \n    commit abcdef0123456789abcdef0123456789abcdef01 upstream.\n    Fixes: 123456789abc (\"x\")\n\ndiff --git a/f b/f\n" + change,
			[]said{{"git show", "net: do", "A <a@x>", commit, "abcdef0123456789abcdef0123456789abcdef01", nil, []string{`123456789abc ("x")`}, nil}}},
		{"stable", "From: A <a@x>\nSubject: x: y\n\ncommit " + commit + " upstream.\n\nText\n---\n" + change,
			[]said{{Name: "stable", Subject: "x: y", Author: "A <a@x>", Upstream: commit}}},
		{"log", "commit " + commit + " (HEAD -> main)\nAuthor: A <a@x>\n\n    one\n\n" + change + "\ncommit " + commit + "\nMerge: 1 2\nAuthor: A <a@x>\n\n    merge\n\ncommit " + commit + "\nAuthor: B <b@x>\n\n    two\n\n" + change,
			[]said{{Name: "log#1", Subject: "one", Author: "A <a@x>", Commit: commit}, {Name: "log#2", Subject: "two", Author: "B <b@x>", Commit: commit}}},
		{"DEP-3", "Description: fix it\n More of it.\nOrigin: upstream, https://git.kernel.org/linus/abcdef0123456789abcdef0123456789abcdef01\nBug: https://bugzilla/1\nBug-Debian: https://bugs.debian.org/2\n" +
			"Author: A <a@x>\nForwarded: not-needed\nLast-Update: 2024-01-01\n---\nThis patch header follows DEP-3\n" + change,
			[]said{{"DEP-3", "fix it", "A <a@x>", "", "abcdef0123456789abcdef0123456789abcdef01", nil, nil, []string{"https://git.kernel.org/linus/abcdef0123456789abcdef0123456789abcdef01", "https://bugzilla/1", "https://bugs.debian.org/2"}}}},
		{"quilt", "Subject: x: y\nFrom: A <a@x>\n\nText\n\nIndex: linux/f\n===================================================================\n--- linux.orig/f\t2020-01-02 03:04:05.000000000 +0100\n+++ linux/f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n",
			[]said{{Name: "quilt", Subject: "x: y", Author: "A <a@x>"}}},
		{"mbox", "From a@x Mon Jan  1 00:00:00 2024\nFrom: A <a@x>\nSubject: [PATCH 0/2] all\n\nNo diff.\n\nFrom a@x Mon Jan  1 00:00:00 2024\nFrom: A <a@x>\nSubject: [PATCH 1/2] one\n\n---\n" + change +
			"\nFrom a@x Mon Jan  1 00:00:00 2024\nFrom: B <b@x>\nSubject: [PATCH 2/2] two\nContent-Transfer-Encoding: quoted-printable\n\nT=C3=A4xt CVE-2024=\n-0001\n---\n" + strings.ReplaceAll(change, "+c", "+c=3D"),
			[]said{{Name: "mbox#1", Subject: "one", Author: "A <a@x>"}, {Name: "mbox#2", Subject: "two", Author: "B <b@x>", CVEs: []string{"CVE-2024-0001"}}}},
	}
}

func TestSays(t *testing.T) {
	for _, tt := range saying() {
		patches, err := Read(tt.name, strings.NewReader(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []said
		for _, p := range patches {
			got = append(got, said{p.Name, p.Subject, p.Author, p.Commit, p.Upstream, p.CVEs, p.Fixes, p.Links})
			if len(p.Files) != 1 || p.Files[0].New != "f" {
				t.Errorf("%s: %+v", tt.name, p.Files)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestReadErrors(t *testing.T) {
	tests := []struct {
		name, text string
		code       finding.Code
		line       int
	}{
		{"nothing", "", CodeFormat, 0},
		{"text", "hello\n", CodeFormat, 0},
		{"compressed", "\x1f\x8b\x08", CodeFormat, 0},
		{"binary of diff", "Binary files a/x and y and z differ\n" + change, CodeBinary, 1},
		{"symbolic link", "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n", CodeType, 1},
		{"submodule", "diff --git a/l b/l\nindex 1..2 160000\n--- a/l\n+++ b/l\n@@ -1 +1 @@\n-Subproject commit 1\n+Subproject commit 2\n", CodeType, 1},
		{"outside", "--- a/../../x\n+++ b/../../x\n@@ -1 +1 @@\n-a\n+b\n", CodePath, 1},
		{"rename outside", "diff --git a/f b/f\nrename from f\nrename to ../f\n", CodePath, 1},
		{"absolute", "--- a//etc/passwd\n+++ b//etc/passwd\n@@ -1 +1 @@\n-a\n+b\n", CodePath, 1},
		{"git", "--- a/d/.GIT/config\n+++ b/d/.GIT/config\n@@ -1 +1 @@\n-a\n+b\n", CodePath, 1},
		{"control", "--- \"a/d\\033\"\n+++ \"b/d\\033\"\n@@ -1 +1 @@\n-a\n+b\n", CodePath, 1},
		{"wrapped", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a long\nline\n-b\n+c\n", CodeFormat, 5},
		{"number", "--- a/f\n+++ b/f\n@@ -1,4000000000 +1,2 @@\n a\n-b\n+c\n", CodeFormat, 3},
		{"count", "--- a/f\n+++ b/f\n@@ -1,2000000 +1,2 @@\n a\n-b\n+c\n", CodeFormat, 7},
		{"several parts", "From: a\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Transfer-Encoding: base64\n\nAAAA\n--x--\n", CodeFormat, 1},
		{"wrong encoding", "From: a\nContent-Transfer-Encoding: base64\n\n!!!\n", CodeFormat, 1},
		{"rename of two names", "diff --git a/f b/g\nrename from f\nrename to g\n--- a/x\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n", CodeFormat, 1},
	}
	for _, tt := range tests {
		_, err := Read("p", strings.NewReader(tt.text))
		var e *ReadError
		if !errors.As(err, &e) || e.Code != tt.code || e.Line != tt.line || !errors.Is(err, tt.code) || !errors.Is(err, finding.ErrRefused) {
			t.Errorf("%s: %v, want %s in line %d", tt.name, err, tt.code, tt.line)
			continue
		}
		if r := finding.Refusals(err); len(r) != 1 || r[0].Hint == "" {
			t.Errorf("%s: %v", tt.name, r)
		}
	}
}

func TestReadSeries(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"one.patch":     change,
		"sub/two.patch": "--- x/y/f\n+++ x/y/f\n@@ -1,2 +1,2 @@\n a\n-c\n+d\n",
		"three.patch":   "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-e\n+d\n",
		"series":        "# a comment\n\none.patch # CVE\nsub/two.patch -p2\n  three.patch -p0 -R #x\n",
		"outside":       "../one.patch\n",
		"option":        "one.patch --fuzz\n",
		"missing":       "four.patch\n",
		"strip":         "one.patch -p3\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	patches, err := ReadSeries(filepath.Join(dir, "series"))
	if err != nil || len(patches) != 3 {
		t.Fatal(patches, err)
	}
	tree := NewTree(files{"f": "a\nb\n"}.fs())
	for i, want := range []string{"one.patch", "sub/two.patch", "three.patch"} {
		if patches[i].Name != want {
			t.Errorf("%s, want %s", patches[i].Name, want)
		}
		if err := tree.Apply(patches[i]); err != nil {
			t.Error(err)
		}
	}
	if b, err := tree.ReadFile("f"); string(b) != "a\ne\n" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	for name, want := range map[string]error{"outside": CodeFormat, "option": CodeFormat, "missing": os.ErrNotExist, "strip": CodePath} {
		if _, err := ReadSeries(filepath.Join(dir, name)); !errors.Is(err, want) || !strings.Contains(err.Error(), name+":1: ") {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
