package behaviour_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/behaviour"
	"github.com/gosplice/gosplice/splice/source/patch"
)

const patches = "../../../splice/source/testdata/patches"

// TestCases reads all cases: each is whole, and its patch is one.
func TestCases(t *testing.T) {
	list, err := behaviour.Load(patches)
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, c := range list {
		p, err := patch.ReadFiles(c.Patch)
		if err != nil || len(p) != 1 || len(p[0].Files) == 0 {
			t.Errorf("%s: %d patches, %v", c.Name, len(p), err)
		}
		if c.Outcome == "made" {
			shown++
		}
		for _, k := range c.Kernels {
			if !slices.Contains([]string{"6.1", "6.12"}, k) {
				t.Errorf("%s: no kernel %q", c.Name, k)
			}
		}
	}
	t.Logf("%d cases, %d with behaviour, %d for 6.1, %d for 6.12", len(list), shown, len(behaviour.For("6.1", list)), len(behaviour.For("6.12", list)))
	if shown < 60 {
		t.Errorf("%d patches with behaviour, want at least 60", shown)
	}
}

var broken = []struct {
	name  string
	files map[string]string
	want  string // in the error
}{
	{"a key", map[string]string{"case": "colour: red"}, `unknown key "colour"`},
	{"a number", map[string]string{"case": "objects: some"}, "invalid syntax"},
	{"a code", map[string]string{"case": "accept: nonsense"}, "nonsense"},
	{"no expectations", map[string]string{"probe": "read /proc/version"}, "neither refused nor a probe"},
	{"no probe", map[string]string{"expect.before": "a", "expect.patched": "b"}, "neither refused nor a probe"},
}

func TestBroken(t *testing.T) {
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "case")
			b.files["fix.patch"] = ""
			fill(t, dir, b.files)
			if _, err := behaviour.Load(filepath.Dir(dir)); err == nil || !strings.Contains(err.Error(), b.want) {
				t.Errorf("%v, want %q", err, b.want)
			}
		})
	}
}

func fill(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnmet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "one")
	fill(t, dir, map[string]string{"fix.patch": "", "probe": "read /x\n", "expect.before": "old\n! new\n", "expect.patched": "new\n",
		"case": "modules: dummy:numdummies=2 loop\noptions: in-place\nobjects: 2 5\nkernels: 6.1\n"})
	list, err := behaviour.Load(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	c := list[0]
	if len(behaviour.For("6.12", list)) != 0 || c.Objects != [2]int{2, 5} || !slices.Equal(c.Modules, []behaviour.Loaded{{"dummy", "numdummies=2"}, {"loop", ""}}) {
		t.Errorf("%+v", c)
	}
	for _, row := range []struct {
		stage      behaviour.Stage
		transcript string
		want       []string
	}{
		{behaviour.Before, "the old one\n", nil},
		{behaviour.Before, "the new one\n", []string{"old", "! new"}},
		{behaviour.Patched, "the new one\n", nil},
		{behaviour.Reverted, "old and new\n", []string{"! new"}},
	} {
		if got := c.Unmet(row.stage, row.transcript); !slices.Equal(got, row.want) {
			t.Errorf("%s %q: %q, want %q", row.stage, row.transcript, got, row.want)
		}
	}
}
