package report

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func list(t *testing.T, dir string) string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

// TestSaveHalf leaves nothing of what can't be written as a whole.
func TestSaveHalf(t *testing.T) {
	dir := t.TempDir()
	d := New(made())
	// A folder stands where the report would be.
	if err := os.MkdirAll(filepath.Join(dir, "sub", "fix_cmdline.json", "x"), 0o777); err != nil {
		t.Fatal(err)
	}
	place := Place{Dir: filepath.Join(dir, "sub"), Base: "fix_cmdline"}
	if err := d.Save(place); err == nil {
		t.Error("written over a folder")
	}
	if got := list(t, place.Dir); got != "fix_cmdline.json" || d.Module.Name != "" || d.Page != "" {
		t.Errorf("it leaves %s", got)
	}
}

// TestSaveHalfTable leaves no half of a table.
func TestSaveHalfTable(t *testing.T) {
	for _, c := range []struct{ folder, want string }{
		{"index.json", "index.json"}, // what can't be written is a folder that stands there
		{"index.html", "index.html"},
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, c.folder, "x"), 0o777); err != nil {
			t.Fatal(err)
		}
		tab := NewTable()
		tab.Add(New(made()))
		if err := tab.Save(dir); err == nil {
			t.Errorf("%s: written over a folder", c.folder)
		}
		if got := list(t, dir); got != c.want {
			t.Errorf("%s: it leaves %s", c.folder, got)
		}
	}
}

// TestSave writes what there is, beside each other, and nothing in the place of an input.
func TestSave(t *testing.T) {
	for _, c := range []struct {
		name     string
		d        *Document
		place    Place // below a folder
		existing string
		want     string // files, "" where it is an error
		stale    bool
	}{
		{"made", New(made()), Place{}, "", "fix_cmdline.html fix_cmdline.json fix_cmdline.ko", false},
		{"another name", New(made()), Place{Base: "other"}, "", "other.html other.json other.ko", false},
		{"not the module", New(made()), Place{NoModule: true}, "", "fix_cmdline.html fix_cmdline.json", false},
		{"refused", New(refused()), Place{}, "", "fix_timer.html fix_timer.json", false},
		{"a module is there", New(refused()), Place{}, "fix_timer.ko", "fix_timer.html fix_timer.json fix_timer.ko", true},
		{"an input", New(made()), Place{Inputs: []string{"fix_cmdline.json"}}, "fix_cmdline.json", "", false},
		{"an input of that name", New(refused()), Place{Inputs: []string{"fix_timer.ko"}}, "fix_timer.ko", "", false},
		{"a path", New(made()), Place{Base: "../x"}, "", "", false},
		{"a folder below", New(made()), Place{Dir: "a/b"}, "", "fix_cmdline.html fix_cmdline.json fix_cmdline.ko", false},
	} {
		dir := t.TempDir()
		c.place.Dir = filepath.Join(dir, c.place.Dir)
		for i, in := range c.place.Inputs {
			c.place.Inputs[i] = filepath.Join(dir, in)
		}
		if c.existing != "" {
			if err := os.WriteFile(filepath.Join(dir, c.existing), []byte("mine"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		err := c.d.Save(c.place)
		if (err == nil) != (c.want != "") {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil {
			if got := list(t, dir); got != c.existing {
				t.Errorf("%s: %s", c.name, got)
			}
			continue
		}
		if diff := cmp.Diff(c.want, list(t, c.place.Dir)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if got := c.place.Stale(c.d); (got != "") != c.stale {
			t.Errorf("%s: stale %q", c.name, got)
		}
		tab, err := Collect(c.place.Dir)
		if err != nil || len(tab.Rows) != 1 || tab.Rows[0].Name != c.d.Result.Name || tab.Rows[0].Page != c.d.Page {
			t.Errorf("%s: %+v, %v", c.name, tab, err)
		}
		if err := tab.Save(c.place.Dir); err != nil {
			t.Error(err)
		}
		if again, err := Collect(c.place.Dir); err != nil || len(again.Rows) != 1 {
			t.Errorf("%s: the table is a report: %+v, %v", c.name, again, err)
		}
	}
	if err := New(made()).Save(Place{Dir: filepath.Join(t.TempDir(), "x\x00")}); err == nil || errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
}
