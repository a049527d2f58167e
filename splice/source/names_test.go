package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/patch"
)

func TestModuleName(t *testing.T) {
	for _, c := range []struct{ prefix, name, want string }{
		{"", "fix.patch", "fix"},
		{"", "debian/patches/bugfix/all/net-fix-it.patch", "net_fix_it"},
		{"", "0001-mm-slub.c-fix.patch", "fix_0001_mm_slub_c_fix"},
		{"site", "0001-mm.patch", "site_0001_mm"},
		{"site_", "a.diff", "site_a"},
		{"", "../..", "fix"},
		{"", "Überlauf.patch.xz", "berlauf"},
		{"", strings.Repeat("long-", 30) + ".patch", strings.TrimSuffix(strings.Repeat("long_", 10), "_")},
	} {
		if got := ModuleName(c.prefix, c.name); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.prefix, c.name, got, c.want)
		}
	}
}

func TestUniqueName(t *testing.T) {
	taken := map[string]bool{}
	long := strings.Repeat("x", maxName)
	var got []string
	for _, name := range []string{"a", "a", "b", "a", long, long} {
		got = append(got, uniqueName(name, taken))
	}
	want := []string{"a", "a_2", "b", "a_3", long, long[:maxName-2] + "_2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDescribe(t *testing.T) {
	one := &patch.Patch{Subject: "mm: fix\na leak", CVEs: []string{"CVE-2026-1"}}
	two := &patch.Patch{Subject: "net: fix", CVEs: []string{"CVE-2026-2", "CVE-2026-1"}}
	for _, c := range []struct {
		name, text string
		fixes      []string
		patches    []*patch.Patch
		wantFixes  []string
		wantText   string
	}{
		{"one", "", nil, []*patch.Patch{one}, []string{"CVE-2026-1"}, "mm: fix a leak"},
		{"two", "", nil, []*patch.Patch{one, two}, []string{"CVE-2026-1", "CVE-2026-2"}, "2 patches: mm: fix a leak, ..."},
		{"own words", "mine", []string{"x"}, []*patch.Patch{one}, []string{"x"}, "mine"},
		{"none", "", nil, nil, nil, ""},
	} {
		fixes, text := describe(c.fixes, c.text, c.patches)
		if !cmp.Equal(fixes, c.wantFixes) || text != c.wantText {
			t.Errorf("%s: %q, %q", c.name, fixes, text)
		}
	}
}

// TestTaken refuses the names of the kernel's modules.
func TestTaken(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"kernel/drivers/hid/hid.ko.xz", "kernel/net/8021q/nf-tables.ko"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list := newTargets(nil, Kernel{Modules: dir})
	for name, want := range map[string]bool{"hid": true, "nf_tables": true, "fix_hid": false, "": false} {
		switch x, err := list.taken(name); {
		case err != nil:
			t.Error(err)
		case (x != nil) != want:
			t.Errorf("%q: %v, want %v", name, x, want)
		case x != nil && (x.Code != module.CodeName || x.Hint == ""):
			t.Errorf("%q: %+v", name, x)
		}
	}
}
