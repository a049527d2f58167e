package elfdiff

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestLookups: what is stored in a container is found again by the comparison or the hash that it was stored by, and what sets
// a static variable up runs once. CHANGE is one thing in pre, and another in post.
func TestLookups(t *testing.T) {
	testenv.Need(t, "gcc")
	builds := []build{{cc: "gcc", flags: []string{"-O2"}}, {cc: "gcc", flags: []string{"-O0"}}, {cc: "gcc", flags: []string{"-O2", "-g"}}, {cc: "clang-14", flags: []string{"-O2", "-g"}}}
	const includes = "#include <map>\n#include <set>\n#include <string>\n#include <unordered_map>\n#include <algorithm>\n#include <vector>\n"
	const strings1 = "struct key { std::string s; bool operator<(const key &o) const { return CHANGE; } };\n"
	for n, c := range []struct {
		name, text, pre, post string
		code                  Code // "" for none
		debug                 bool // only debug information tells
	}{
		{"comparison of a set", includes + `struct less { bool operator()(long a, long b) const { return CHANGE; } };
			std::set<long, less> all; void add(long x) { all.insert(x); all.insert(x + 1); } long has(long x) { return all.count(x); }`, "a < b", "a > b", CodeStoredKeys, false},
		{"comparison of a key", includes + strings1 + "std::map<key, long> all; long &at(const key &k) { return all[k]; }", "s < o.s", "s.size() < o.s.size()", CodeStoredKeys, false},
		{"hash", includes + `struct hash { size_t operator()(const std::string &s) const { size_t h = CHANGE; for (char c : s) h = h * 33 + c; return h; } };
			std::unordered_map<std::string, long, hash> all; long &at(const std::string &k) { return all[k]; }`, "5", "7", CodeStoredKeys, false},
		{"hash of numbers", includes + `struct hash { size_t operator()(long n) const { return n * CHANGE; } };
			static std::unordered_map<long, long, hash> all; long has(long n) { return all.count(n); } void add(long n) { all[n] = 1; }`, "5", "7", CodeStoredKeys, true},
		{"tree of C", `extern "C" void *tsearch(const void *, void **, int (*)(const void *, const void *));
			static int compare(const void *a, const void *b) { return *(int *)a CHANGE *(int *)b; }
			void *root; void *add(int *n) { return tsearch(n, &root, compare); }`, "-", "+", CodeStoredKeys, false},
		{"sorted, and searched", `extern "C" void qsort(void *, unsigned long, unsigned long, int (*)(const void *, const void *));
			extern "C" void *bsearch(const void *, const void *, unsigned long, unsigned long, int (*)(const void *, const void *));
			static int compare(const void *a, const void *b) { return *(int *)a CHANGE *(int *)b; }
			int all[9]; void sort() { qsort(all, 9, 4, compare); } void *find(int *n) { return bsearch(n, all, 9, 4, compare); }`, "-", "+", CodeStoredKeys, false},
		{"sorted only", `extern "C" void qsort(void *, unsigned long, unsigned long, int (*)(const void *, const void *));
			static int compare(const void *a, const void *b) { return *(int *)a CHANGE *(int *)b; }
			int all[9]; void sort() { qsort(all, 9, 4, compare); }`, "-", "+", "", false},
		{"a vector sorted", includes + "void sort(std::vector<long> &v) { std::sort(v.begin(), v.end(), [](long a, long b) { return CHANGE; }); }", "a < b", "a > b", "", false},
		{"who uses a map", includes + strings.Replace(strings1, "CHANGE", "s < o.s", 1) + "std::map<key, long> all; long &at(const key &k) { return all[k] += CHANGE; }", "1", "2", "", false},
		{"set up once", "long make(long); long f() { static long n = make(CHANGE); return n; }", "1", "2", CodeStartState, false},
		{"set up once by another", "long make(long), other(long); long f() { static long n = CHANGE(1); return n; }", "make", "other", CodeStartState, false},
		{"who uses what is set up once", "long make(long); long f(long x) { if (x CHANGE 3) return 8; static long n = make(1); return n CHANGE x; }", "<", ">", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, b := range testenv.Sample(n, builds) {
				if _, err := exec.LookPath(b.cc); err != nil || c.debug && !b.has("g") {
					continue
				}
				dir := t.TempDir()
				object := func(side, change string) string {
					return b.compile(t, filepath.Join(dir, side), "unit.cc", strings.ReplaceAll(c.text, "CHANGE", change))
				}
				d, err := Compare(mustOpen(t, object("pre", c.pre)), mustOpen(t, object("post", c.post)), Options{})
				if err != nil {
					t.Fatal(err)
				}
				if d.Changes() == 0 {
					t.Errorf("%s: no change", b)
				}
				found := false
				for i := range d.Refusals {
					f := &d.Refusals[i]
					found = found || f.Code == c.code
					if c.code == "" || f.Hint == "" {
						t.Errorf("%s: %v", b, f)
					}
				}
				if found != (c.code != "") {
					t.Errorf("%s: not %q: %v", b, c.code, d.Refusals)
				}
			}
		})
	}
}
