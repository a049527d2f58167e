package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/webtest"
)

// folders makes two folders with the checked-in objects, by path and the object
// that stands there in each.
func folders(t *testing.T, pairs map[string][2]string) (pre, post string) {
	t.Helper()
	dir := t.TempDir()
	for name, p := range pairs {
		for i, side := range []string{"old", "new"} {
			if p[i] == "" {
				continue
			}
			b := []byte(p[i])
			if strings.HasSuffix(p[i], ".o") {
				var err error
				if b, err = os.ReadFile(objects + p[i]); err != nil {
					t.Fatal(err)
				}
			}
			to := filepath.Join(dir, side, name)
			if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return filepath.Join(dir, "old"), filepath.Join(dir, "new")
}

func TestFolders(t *testing.T) {
	pre, post := folders(t, map[string][2]string{
		"net/a.o":       {"pre.o", "post.o"},
		"b.o":           {"pre.o", "pre.o"},
		"c.o":           {"pre.o", ""},
		"d & <e>.o":     {"post.o", "pre.o"},
		"javascript:.o": {"pre.o", "post.o"},
		"README":        {"no object", "no object"},
	})
	page := filepath.Join(t.TempDir(), "out")
	told := 0
	f, err := CompareFolders(t.Context(), pre, post, FolderOptions{Pages: page, Progress: func(_ string, done, total int) { told = done * total }})
	if err != nil || f.Outcome() != elfdiff.OutcomeCarried || f.Failed() != 0 || told != 16 {
		t.Fatalf("%+v, %v, told %d", f, err, told)
	}
	var out strings.Builder
	if err := f.Text(&out, TextOptions{Page: IndexName}); err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{"carried  net/a.o  serve +served", "alone    " + filepath.Join(pre, "c.o"), "4 pairs: 3 carried, 1 same", "index.html"} {
		if !strings.Contains(out.String(), w) {
			t.Errorf("no %q in\n%s", w, &out)
		}
	}
	index, err := os.ReadFile(filepath.Join(page, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	webtest.Check(t, string(index), "net/a.o.html", "b.o.html", "d%20&%20%3Ce%3E.o.html", "./javascript:.o.html")
	a, err := os.ReadFile(filepath.Join(page, "net/a.o.html"))
	if err != nil {
		t.Fatal(err)
	}
	webtest.Check(t, string(a), "../index.html")
	if _, err := os.Stat(filepath.Join(page, "d & <e>.o.html")); err != nil {
		t.Error(err)
	}
}

func TestFoldersOutcome(t *testing.T) {
	for _, c := range []struct {
		name    string
		pairs   map[string][2]string
		outcome elfdiff.Outcome
		failed  int
	}{
		{"same", map[string][2]string{"a.o": {"pre.o", "pre.o"}}, elfdiff.OutcomeSame, 0},
		{"changed", map[string][2]string{"a.o": {"pre.o", "pre.o"}, "b.o": {"pre.o", "post.o"}}, elfdiff.OutcomeCarried, 0},
		{"damaged", map[string][2]string{"a.o": {"pre.o", "post.o"}, "b.o": {"pre.o", "\x7fELF"}}, OutcomeError, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			pre, post := folders(t, c.pairs)
			f, err := CompareFolders(t.Context(), pre, post, FolderOptions{})
			if err != nil || f.Outcome() != c.outcome || f.Failed() != c.failed {
				t.Fatalf("%+v, %v", f, err)
			}
			var out bytes.Buffer
			if err := f.JSON(&out); err != nil {
				t.Fatal(err)
			}
			var back Folders
			if err := json.Unmarshal(out.Bytes(), &back); err != nil {
				t.Fatalf("%v\n%s", err, &out)
			}
			if back.Schema != Schema || len(back.Pairs) != len(c.pairs) || back.Pairs[0].Outcome != c.outcome || (back.Pairs[0].Error != "") != (c.failed > 0) || bytes.Contains(out.Bytes(), []byte("null")) {
				t.Errorf("JSON:\n%s", &out)
			}
		})
	}
}

// TestFoldersErrors has nothing to compare, and no time.
func TestFoldersErrors(t *testing.T) {
	pre, post := folders(t, map[string][2]string{"a.o": {"pre.o", ""}, "b.o": {"", "pre.o"}})
	if _, err := CompareFolders(t.Context(), pre, post, FolderOptions{}); err == nil {
		t.Error("nothing to compare")
	}
	if _, err := CompareFolders(t.Context(), pre, filepath.Join(post, "none"), FolderOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pre, post = folders(t, map[string][2]string{"a.o": {"pre.o", "post.o"}})
	if _, err := CompareFolders(ctx, pre, post, FolderOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
