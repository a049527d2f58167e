package module

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// earlierBuilder is one of an update of some patches that replaces one function.
func earlierBuilder(t testing.TB, name string, opt Options, functions ...string) *builder {
	t.Helper()
	opt.Name, opt.License = name, "GPL"
	b := &builder{references: newReferences(&Kernel{id: []byte{1, 2, 3, 4}}, ko.NewFile()), judgement: judgement{words: opt.Accept}, opt: opt}
	o := b.objectOf(nil)
	for _, f := range functions {
		o.patched = append(o.patched, patched{Function: Function{Name: f}})
	}
	return b
}

// TestOrigin has what a module says of itself read again.
func TestOrigin(t *testing.T) {
	b := earlierBuilder(t, "fix_a", Options{Fixes: []string{"CVE-1"}, Patches: []SourcePatch{{"a b.patch", "d1"}}, Earlier: &Module{ID: "ab"}}, "show")
	b.constants.list = []Data{{Name: "hex_asc"}}
	b.settings = []setting{{Initial: Initial{Name: "t[1].mode"}}}
	b.modinfo()
	b.identity()
	m, err := b.finish()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Read(bytes.NewReader(m.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	want := &Origin{Patches: []SourcePatch{{"a b.patch", "d1"}}, Fixes: []string{"CVE-1"}, Functions: []string{"show,0"}, Data: []string{"hex_asc", "t[1].mode"}, Replaces: "ab"}
	if diff := cmp.Diff(want, back.Origin); diff != "" || cmp.Diff(want, m.Origin) != "" {
		t.Error(diff)
	}
}

// TestEarlier holds updates against the one that they replace: nothing of it goes away unsaid.
func TestEarlier(t *testing.T) {
	a, b := SourcePatch{"a.patch", "d1"}, SourcePatch{"b.patch", "d2"}
	earlier := func(o Origin) *Module { return &Module{Name: "fix_a", ID: "ab", Kernel: "01020304", Origin: &o} }
	ofPatches := earlier(Origin{Patches: []SourcePatch{a}, Fixes: []string{"CVE-1"}, Functions: []string{"show,0"}})
	ofObjects := earlier(Origin{Functions: []string{"show,0"}})
	other := *ofPatches
	other.Kernel = "05"
	silent := earlier(Origin{Fixes: []string{"CVE-1"}})
	wrote := earlier(Origin{Patches: []SourcePatch{a}, Data: []string{"hex_asc"}})
	for _, c := range []struct {
		name      string
		opt       Options
		functions []string
		module    string
		writes    string
		refused   string // "" when it is not
		found     string
	}{
		{"cumulative", Options{Earlier: ofPatches, Patches: []SourcePatch{a, b}}, []string{"open"}, "fix_b", "", "", ""},
		{"another", Options{Earlier: ofPatches, Patches: []SourcePatch{b}}, []string{"open"}, "fix_b", "", "1 patch of it is not in this update: a.patch; 1 fix: CVE-1; 1 function goes back to what the kernel has: show,0", ""},
		{"one that fixes the same", Options{Earlier: ofPatches, Fixes: []string{"CVE-1"}, Patches: []SourcePatch{b}}, []string{"show"}, "fix_b", "", "1 patch of it is not in this update: a.patch", ""},
		{"accepted", Options{Earlier: ofPatches, Patches: []SourcePatch{b}, Accept: []elfdiff.Acceptance{{Code: "lost", Reason: "fine"}}}, nil, "fix_b", "", "", "lost"},
		{"of objects", Options{Earlier: ofObjects}, []string{"show"}, "fix_b", "", "", ""},
		{"of other objects", Options{Earlier: ofObjects}, []string{"open"}, "fix_b", "", "1 function goes back to what the kernel has: show,0", ""},
		{"name", Options{Earlier: ofPatches, Patches: []SourcePatch{a}}, nil, "fix_a", "", "has this name", ""},
		{"kernel", Options{Earlier: &other, Patches: []SourcePatch{a}}, nil, "fix_b", "", "is for the kernel 05", ""},
		{"silent", Options{Earlier: silent}, nil, "fix_b", "", "does not say what it does", ""},
		{"data", Options{Earlier: wrote, Patches: []SourcePatch{a}}, nil, "fix_b", "", "", "data-stays"},
		{"the same data", Options{Earlier: wrote, Patches: []SourcePatch{a}}, nil, "fix_b", "hex_asc", "has written there already", ""},
	} {
		b := earlierBuilder(t, c.module, c.opt, c.functions...)
		if c.writes != "" {
			b.constants.list = []Data{{Name: c.writes}}
		}
		b.checkEarlier()
		err := b.refused.err()
		if (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %v, want %q", c.name, err, c.refused)
		}
		if (len(b.found) > 0) != (c.found != "") || c.found != "" && string(b.found[0].Code) != c.found {
			t.Errorf("%s: %v, want %q", c.name, b.found, c.found)
		}
	}
}

// TestState has an update bring along what the one that it replaces has brought along too.
func TestState(t *testing.T) {
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	compile := func(name string, flags ...string) string {
		src, out := filepath.Join(dir, "unit.c"), filepath.Join(dir, name)
		const text = `
#ifdef POST
struct mutex { long owner[4]; }; extern void mutex_lock(void *), mutex_unlock(void *);
struct entry { int n; struct { long n; struct mutex lock; } in[2]; };
static int users, limit = 3; static const int table[] = { 1, 2 };
static struct mutex guard; static struct entry rows[3]; static struct mutex *other; static struct { struct mutex *at; } led;
int add(int x) { users += x; static int last; last ^= users; return (last > limit ? table[x & 1] : last) + rows[x].in[0].n + (other == led.at); }
void set(int x) { mutex_lock(&guard); limit = x; mutex_unlock(&guard); rows[x].in[1].lock.owner[2] = x; other = led.at++; }
#else
int add(int x) { return x; }
#endif
`
		if err := os.WriteFile(src, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"-O2", "-ffunction-sections", "-fdata-sections", "-fno-pic", "-c", src, "-o", out}, flags...)
		if msg, err := exec.Command(testenv.StandIn("gcc"), args...).CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, msg)
		}
		return out
	}
	compare := func(pre, post string) *elfdiff.Diff {
		t.Helper()
		p, err := elfdiff.Open(pre)
		if err != nil {
			t.Fatal(err)
		}
		q, err := elfdiff.Open(post)
		if err != nil {
			t.Fatal(err)
		}
		d, err := elfdiff.Compare(p, q, elfdiff.Options{Tables: true})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	typed := compare(compile("pre.o", "-g"), compile("post.o", "-DPOST", "-g"))
	plain := compare(compile("pre0.o"), compile("post0.o", "-DPOST"))
	image := func(file string) []byte {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		name    string
		d       *elfdiff.Diff
		earlier *Module
		accept  string
		found   string
		judged  string
	}{
		{"the same patch", typed, &Module{Name: "fix_a", image: image(filepath.Join(dir, "post.o"))}, "", "last led limit other users", "guard rows"},
		{"the same patch, without debug information", plain, &Module{Name: "fix_a", image: image(filepath.Join(dir, "post.o"))}, "", "last led limit other rows users", "guard"},
		{"the same patch, accepted", typed, &Module{Name: "fix_a", image: image(filepath.Join(dir, "post.o"))}, "state-anew:guard=nobody waits", "guard last led limit other users", "rows"},
		{"nothing", typed, &Module{Name: "fix_a", image: image(filepath.Join(dir, "pre.o"))}, "", "", ""},
		{"not read from a file", typed, &Module{Name: "fix_a"}, "", "", ""},
		{"none", typed, nil, "", "", ""},
	} {
		opt := Options{Earlier: c.earlier}
		if c.accept != "" {
			list, err := finding.ParseAcceptance(c.accept)
			if err != nil {
				t.Fatal(err)
			}
			opt.Accept = list
		}
		b := earlierBuilder(t, "fix_b", opt)
		b.checkState([]Pair{{Diff: c.d}})
		var got []string
		for _, f := range b.found {
			if f.Code != finding.CodeStateAnew {
				t.Errorf("%s: %v", c.name, f)
			}
			got = append(got, strings.SplitN(f.Symbol, ".", 2)[0])
		}
		var judged []string
		for _, r := range finding.Refusals(b.refused.err()) {
			if r.Code != finding.CodeStateAnew || r.Severity != elfdiff.NeedsJudgement {
				t.Errorf("%s: %v", c.name, r)
			}
			judged = append(judged, r.Symbol)
		}
		slices.Sort(got)
		slices.Sort(judged)
		if s, j := strings.Join(got, " "), strings.Join(judged, " "); s != c.found || j != c.judged {
			t.Errorf("%s: %q, judged %q, want %q and %q", c.name, s, j, c.found, c.judged)
		}
	}
}
