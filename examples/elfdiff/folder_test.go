package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	opt := options{pre: pre, post: post, html: page}
	var out strings.Builder
	status, err := run(opt, &out, testTerminal)
	if err != nil || status != exitChanged {
		t.Fatalf("status %d, %v\n%s", status, err, &out)
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
	checkPage(t, string(index), "net/a.o.html", "b.o.html", "d%20&%20%3Ce%3E.o.html", "./javascript:.o.html")
	a, err := os.ReadFile(filepath.Join(page, "net/a.o.html"))
	if err != nil {
		t.Fatal(err)
	}
	checkPage(t, string(a), "../index.html")
	if _, err := os.Stat(filepath.Join(page, "d & <e>.o.html")); err != nil {
		t.Error(err)
	}
}

func TestFoldersStatus(t *testing.T) {
	for _, c := range []struct {
		name   string
		pairs  map[string][2]string
		opt    options
		status int
		fails  bool
	}{
		{"same", map[string][2]string{"a.o": {"pre.o", "pre.o"}}, options{}, exitNoChange, false},
		{"changed", map[string][2]string{"a.o": {"pre.o", "pre.o"}, "b.o": {"pre.o", "post.o"}}, options{}, exitChanged, false},
		{"damaged", map[string][2]string{"a.o": {"pre.o", "post.o"}, "b.o": {"pre.o", "\x7fELF"}}, options{}, exitError, true},
		{"nothing to compare", map[string][2]string{"a.o": {"pre.o", ""}, "b.o": {"", "pre.o"}}, options{}, exitError, true},
		{"one output for many", map[string][2]string{"a.o": {"pre.o", "post.o"}}, options{out: "out.o"}, exitError, true},
		{"JSON", map[string][2]string{"a.o": {"pre.o", "post.o"}, "b.o": {"pre.o", "\x7fELF"}}, options{json: true}, exitError, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opt.pre, c.opt.post = folders(t, c.pairs)
			var out strings.Builder
			status, err := run(c.opt, &out, testTerminal)
			if status != c.status || (err != nil) != c.fails {
				t.Errorf("status %d, error %v\n%s", status, err, &out)
			}
			if !c.opt.json {
				return
			}
			var doc struct {
				Pairs []struct {
					Path, Outcome, Error string
					Functions            []struct{ Name string }
				}
				Alone []string
			}
			if err := json.Unmarshal([]byte(out.String()), &doc); err != nil {
				t.Fatal(err)
			}
			if len(doc.Pairs) != 2 || doc.Pairs[0].Outcome != "error" || doc.Pairs[0].Error == "" || doc.Pairs[1].Functions[0].Name != "serve" || strings.Contains(out.String(), "null") {
				t.Errorf("JSON:\n%s", &out)
			}
		})
	}
	pre, _ := folders(t, map[string][2]string{"a.o": {"pre.o", ""}})
	if status, err := run(options{pre: pre, post: objects + "pre.o"}, new(strings.Builder), testTerminal); err == nil || status != exitError {
		t.Errorf("a folder and an object: status %d, %v", status, err)
	}
}
