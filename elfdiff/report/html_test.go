package report

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/webtest"
)

const objects = "../testdata/objects/"

// diffOf compares two checked-in objects, of which edit may change the bytes.
func diffOf(t *testing.T, pre, post string, edit func([]byte) []byte) *elfdiff.Diff {
	t.Helper()
	var o [2]*object.Object
	for i, name := range []string{pre, post} {
		b, err := os.ReadFile(objects + name)
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			b = edit(b)
		}
		if o[i], err = elfdiff.NewObject(bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := elfdiff.Compare(o[0], o[1], elfdiff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func pageText(t *testing.T, d *elfdiff.Diff, opt HTMLOptions) string {
	t.Helper()
	var b strings.Builder
	if err := HTML(&b, d, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHTML(t *testing.T) {
	for _, c := range []struct {
		name, pre, post string
		want            []string
	}{
		{"changed", "pre.o", "post.o", []string{`class="outcome carried"`, `id="f-serve"`, `id="d-served"`, `<tr class="r">`, `<tr class="c">`, "only in post", "GCC: (Debian"}},
		{"same", "pre.o", "pre.o", []string{`class="outcome same"`, "No change"}},
		{"no sections of their own", "plain.o", "plain.o", []string{"No change"}},
		{"unlike", "post.o", "pre.o", []string{`<tr class="l">`}},
		{"other language", "pre.o", "cxx.o", []string{`class="chip removed"`, `class="chip new"`}},
		{"debug information", "debug.o", "debug.o", []string{"No change"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := diffOf(t, c.pre, c.post, nil)
			text := pageText(t, d, HTMLOptions{})
			webtest.Check(t, text)
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("no %s on the page", w)
				}
			}
			if again := pageText(t, diffOf(t, c.pre, c.post, nil), HTMLOptions{}); again != text {
				t.Error("another page for the same objects")
			}
		})
	}
}

// TestHTMLHostile has names and strings that would be markup, leave their
// attribute, or turn the text around.
func TestHTMLHostile(t *testing.T) {
	swap := strings.NewReplacer(
		"\x00serve\x00", "\x00<i>\"'\x00",
		"\x00weight\x00", "\x00\u202e}}{\x00",
		"request %d\n\x00", "</script>\x01\x02\x00",
		"request no. %d\n\x00", "<!--</style>\x1b[\xff\x00",
	)
	d := diffOf(t, "pre.o", "post.o", func(b []byte) []byte {
		s := swap.Replace(string(b))
		if len(s) != len(b) || s == string(b) {
			t.Fatal("the objects do not have these names")
		}
		return []byte(s)
	})
	text := pageText(t, d, HTMLOptions{})
	webtest.Check(t, text)
	for _, bad := range []string{"<i>\"'", "\u202e", "<!--", "\x1b", "\xff"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q as it is on the page", bad)
		}
	}
	for _, good := range []string{"&lt;i&gt;&#34;&#39;", `\u{202e}}}{`, "&lt;/script&gt;"} {
		if !strings.Contains(text, good) {
			t.Errorf("no %q on the page", good)
		}
	}
}

// FuzzHTML wants a page without a fault of whatever can be compared.
func FuzzHTML(f *testing.F) {
	var seeds [][]byte
	for _, name := range []string{"pre.o", "post.o", "debug.o"} {
		b, err := os.ReadFile(objects + name)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, b)
	}
	for _, s := range seeds {
		f.Add(seeds[0], s)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		pre, err1 := elfdiff.NewObject(bytes.NewReader(a))
		post, err2 := elfdiff.NewObject(bytes.NewReader(b))
		if err1 != nil || err2 != nil {
			return
		}
		if d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: pre.IsKernel()}); err == nil {
			webtest.Check(t, pageText(t, d, HTMLOptions{}))
		}
	})
}

// TestHTMLBounded leaves out what would make the page too large, and says so.
func TestHTMLBounded(t *testing.T) {
	p := newPage(diffOf(t, "pre.o", "post.o", nil), HTMLOptions{})
	p.room = 3
	text, err := render("page", p.page())
	if err != nil {
		t.Fatal(err)
	}
	webtest.Check(t, string(text))
	if !bytes.Contains(text, []byte("would make the page too large")) || bytes.Contains(text, []byte(`<tr class="c">`)) {
		t.Error("a listing where there is no room")
	}
}

// TestHTMLSource shows the source of pre and post, from folders other than those
// they were compiled in.
func TestHTMLSource(t *testing.T) {
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	const head = "/* <script> */\nstatic inline int inner(int x)\n{\n\n\n\n\treturn x * %;\n}\n\n"
	const body = "int outer(int x)\n{\n\tint y = inner(x);\n\n\treturn y + 1;\n}\n"
	for name, factor := range map[string]string{"pre": "3", "post": "5 /* & not 3 */"} {
		tree := filepath.Join(dir, name, "lib")
		src := strings.Replace(head+body, "%", factor, 1)
		if name == "post" {
			src = "/* a line more */\n" + src
		}
		if err := errors.Join(os.MkdirAll(tree, 0o777), os.WriteFile(filepath.Join(tree, "a.c"), []byte(src), 0o666)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("gcc", "-O2", "-g", "-ffunction-sections", "-fdebug-prefix-map="+filepath.Join(dir, name)+"=/gone", "-c", "lib/a.c", "-o", "a.o")
		cmd.Dir = filepath.Join(dir, name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
	}
	d, err := compareFiles(t.Context(), filepath.Join(dir, "pre/a.o"), filepath.Join(dir, "post/a.o"))
	if err != nil {
		t.Fatal(err)
	}
	text := pageText(t, d, HTMLOptions{PreSource: filepath.Join(dir, "pre"), PostSource: filepath.Join(dir, "post")})
	webtest.Check(t, text)
	for _, w := range []string{"lib/a.c:12", "⋯ static inline int inner(int x)", "5 /* &amp; not 3 */", "return y", "2 files found, 0 not"} {
		if !strings.Contains(tags.ReplaceAllString(text, ""), w) {
			t.Errorf("no %s on the page", w)
		}
	}
	for name, c := range map[string]struct {
		opt  HTMLOptions
		want string
	}{
		"without the folder":      {HTMLOptions{Flags: true}, "name its folder with -src"},
		"one folder":              {HTMLOptions{PreSource: filepath.Join(dir, "pre"), Flags: true}, "-post-src"},
		"the folder is an option": {HTMLOptions{}, "name its folder with HTMLOptions.PreSource"},
	} {
		text := pageText(t, d, c.opt)
		webtest.Check(t, text)
		if !strings.Contains(text, c.want) {
			t.Errorf("%s: no hint that %s helps", name, c.want)
		}
	}
}

var tags = regexp.MustCompile(`</?span[^>]*>`)

// TestHTMLBrowser has a browser load the page, which marks it when its script may
// run; there need not be a browser.
func TestHTMLBrowser(t *testing.T) {
	exe, err := exec.LookPath("chromium")
	if err != nil || testing.Short() {
		t.Skip("no chromium")
	}
	name := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(name, []byte(pageText(t, diffOf(t, "pre.o", "post.o", nil), HTMLOptions{})), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--user-data-dir="+t.TempDir(), "--dump-dom", "file://"+name)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Skipf("chromium: %v", err)
	}
	if !strings.Contains(stdout.String(), `class="js"`) {
		t.Error("the script did not run")
	}
	if strings.Contains(stderr.String(), "CONSOLE") {
		t.Errorf("the browser complains:\n%s", &stderr)
	}
}

// TestReadSource reads sources only, whatever an object calls one.
func TestReadSource(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.c", "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("int a;\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		file, dir string
		found     bool
	}{
		{"/gone/lib/a.c", dir, true},
		{"/gone/lib/a.c", "", false},
		{filepath.Join(dir, "a.c"), "", true},
		{filepath.Join(dir, "secret"), "", false},
		{"/gone/../secret", dir, false},
		{"/x/../../a.h", dir, false},
		{"/dev/zero.c", "", false},
		{"", dir, false},
	} {
		s := newSources(c.dir, c.dir)
		if f := s.file(0, elfdiff.Position{File: c.file, Dir: "/gone", Line: 1}); (f != nil) != c.found {
			t.Errorf("%s below %q: found %v", c.file, c.dir, f != nil)
		}
	}
}

func BenchmarkHTML(b *testing.B) {
	d, err := compareFiles(b.Context(), objects+"pre.o", objects+"post.o")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := HTML(io.Discard, d, HTMLOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSourceBegins tells the text that was compiled from another version.
func TestSourceBegins(t *testing.T) {
	f := &sourceFile{lines: strings.Split("int a;\n\nstatic int\nparse(int x)\n{\n\treturn x;\n}\n"+strings.Repeat("\n", 20)+"SYSCALL_DEFINE1(close, int, fd)\n{\n}\n"+strings.Repeat("int x;\n", 20), "\n")}
	for _, c := range []struct {
		name string
		line int
		want bool
	}{
		{"parse", 4, true},
		{"parse.isra.0", 5, true},
		{"parse", 25, false},
		{"parse.cold", 25, true},
		{"__do_sys_close", 29, true},
		{"other", 5, false},
		{"parse", 1000, false},
	} {
		if got := f.begins(c.name, c.line); got != c.want {
			t.Errorf("%s in line %d: %v", c.name, c.line, got)
		}
	}
}
