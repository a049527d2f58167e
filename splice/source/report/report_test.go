package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/lab/webtest"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/patch"
	"github.com/gosplice/gosplice/splice/source/trial"
)

func written(t testing.TB, d *Document) []byte {
	t.Helper()
	var b bytes.Buffer
	if n, err := d.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatal(n, err)
	}
	return b.Bytes()
}

func pageText(t testing.TB, d *Document, opt HTMLOptions) string {
	t.Helper()
	var b strings.Builder
	if err := HTML(&b, d, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestJSON has documents come back as they were.
func TestJSON(t *testing.T) {
	for _, r := range []*source.Result{made(), refused()} {
		d := document(r)
		b := written(t, d)
		back, err := Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(b), string(written(t, back))); diff != "" {
			t.Error(diff)
		}
		if bytes.Count(b, []byte("null")) > 1 && r.Update != nil { // the trial
			t.Errorf("a list is null:\n%s", b)
		}
	}
}

// TestRead tells a report from what is none, or not whole.
func TestRead(t *testing.T) {
	good := string(written(t, document(made())))
	for _, c := range []struct {
		name, text string
		want       error // nil where it is another one
	}{
		{"empty", "", nil},
		{"half", good[:len(good)/2], nil},
		{"another", `{"schema":1,"objects":[]}`, ErrNotReport},
		{"list", `[]`, ErrNotReport},
		{"table", `{"schema":1,"rows":[],"result":null}`, ErrNotReport},
		{"another form", `{"schema":2,"result":{}}`, nil},
		{"null refusal", `{"schema":1,"result":{"refusals":[null]}}`, nil},
		{"wrong type", `{"schema":1,"result":{"refusals":3}}`, nil},
	} {
		d, err := Read(strings.NewReader(c.text))
		if err == nil || d != nil && c.want != nil || errors.Is(err, ErrNotReport) != (c.want != nil) {
			t.Errorf("%s: %v, %v", c.name, d, err)
		}
	}
}

// TestTimeless has two runs give the same bytes, and leaves the document as it is.
func TestTimeless(t *testing.T) {
	a, b := document(made()), document(made())
	b.Began = b.Began.Add(time.Hour)
	b.Result.Stages[0].Elapsed++
	b.Result.Objects[0].Pre = source.Compiled{Digest: "aa", Elapsed: time.Minute}
	b.Commands = []string{"another"}
	if bytes.Equal(written(t, a), written(t, b)) || a.Elapsed() != 2300*time.Millisecond {
		t.Error("times are not in the document")
	}
	before := string(written(t, b))
	if diff := cmp.Diff(string(written(t, a.Timeless())), string(written(t, b.Timeless()))); diff != "" {
		t.Error(diff)
	}
	if pageText(t, a.Timeless(), HTMLOptions{}) != pageText(t, b.Timeless(), HTMLOptions{}) {
		t.Error("pages differ")
	}
	if before != string(written(t, b)) {
		t.Error("the document changed")
	}
}

func TestHTML(t *testing.T) {
	for _, c := range []struct {
		name string
		r    *source.Result
		want []string
	}{
		{"made", made(), []string{`class="outcome carried"`, "proc: say more in cmdline", "CVE-2026-1", "fs/proc/cmdline.o", "cmdline_proc_show", "fix_cmdline.ko", "<td>8040</td>", "2.3 s", "gcc-12 -c", "set aside: 1"}},
		{"refused", refused(), []string{`class="outcome refused"`, "tls-changed", "-accept const-shared", "mm/util.c", "What to do"}},
		{"empty", &source.Result{}, []string{"outcome"}},
	} {
		d := document(c.r)
		text := pageText(t, d, HTMLOptions{Flags: true, Index: "index.html"})
		webtest.Check(t, text, "index.html")
		for _, w := range c.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q", c.name, w)
			}
		}
		if text != pageText(t, d, HTMLOptions{Flags: true, Index: "index.html"}) {
			t.Errorf("%s: another page for the same", c.name)
		}
	}
}

// spoil puts a text into every string of a value, however deep.
func spoil(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem(), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spoil(v.Field(i), text)
			}
		}
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			if e := v.Index(0); e.Kind() == reflect.Pointer {
				e.Set(reflect.New(e.Type().Elem()))
			}
		}
		for i := range v.Len() {
			spoil(v.Index(i), text)
		}
	case reflect.String:
		v.SetString(text)
	}
}

// TestHostile has every text be markup, or what a terminal obeys: nothing of it comes
// through, in no form.
func TestHostile(t *testing.T) {
	for _, text := range []string{"</script><i>\"'\n", "<!--</style>\x1b[31m\xff", "\u202e{{.}}javascript:", "../../x.html"} {
		d := document(made())
		d.Result.Update.Pinned = true
		spoil(reflect.ValueOf(d), text)
		page := pageText(t, d, HTMLOptions{})
		webtest.Check(t, page)
		tab := NewTable()
		tab.Add(d)
		spoil(reflect.ValueOf(tab), text)
		p, err := NewTablePage(tab)
		if err != nil {
			t.Fatal(err)
		}
		link := viewOf(&tab.Rows[0]).Href // beside the page, or nowhere
		if strings.Contains(strings.TrimPrefix(link, "./"), "/") || link != "" && !strings.HasPrefix(link, "./") {
			t.Errorf("a link to %q", link)
		}
		webtest.Check(t, string(p.text), link)
		var out strings.Builder
		if err := errors.Join(Text(&out, d, TextOptions{All: true}), TableText(&out, tab, TextOptions{}), Text(&out, d, TextOptions{Color: true, Escape: "@"})); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"<i>", "<!--", "\x1b", "\u202e", "\xff"} {
			markup := bad[0] == '<' // which a terminal shows as it is
			if strings.Contains(page+string(p.text), bad) || !markup && strings.Contains(out.String(), bad) {
				t.Errorf("%q comes through", bad)
			}
		}
		if strings.Contains(text, "\n") && strings.Contains(out.String(), "\"'\n ") {
			t.Errorf("a text breaks a line:\n%s", &out)
		}
	}
}

// TestBounded leaves out what would make a page too large, and says so.
func TestBounded(t *testing.T) {
	d := document(made())
	o := d.Result.Objects[0]
	o.Changes = slices.Repeat(o.Changes, 2*maxChanges)
	d.Result.Objects = slices.Repeat([]source.ObjectResult{o}, maxRows+7)
	for i := range 5 {
		d.Result.Objects[i].Changes = nil
	}
	text := pageText(t, d, HTMLOptions{})
	webtest.Check(t, text)
	for _, want := range []string{"2 more are not shown", "5 more were compiled, and are the same", "and 200 more"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
}

// TestText has each outcome say what it is, with a way on.
func TestText(t *testing.T) {
	pinned := made()
	pinned.Update.Pinned, pinned.Update.Pins = true, []module.Pin{{Name: "gs_timer", How: "is passed to mod_timer", Where: "f", Offset: 2}}
	pinned.Update.Data = []module.Data{{Name: "hex_asc", Addr: 16, Size: 16}}
	pinned.Update.Functions[0].Module, pinned.Update.Functions[0].Position, pinned.Update.Functions[0].Method = "8021q", 2, module.MethodJump
	pinned.Update.References = append(pinned.Update.References, module.Reference{Name: "b", By: "export", Module: "hv_vmbus"}, module.Reference{Name: "a", By: "export", Module: "hv_vmbus"}, module.Reference{Name: "c", By: "module", Module: "8021q"}, module.Reference{Name: "d", By: "export", Module: "garp", For: "8021q"})
	several := made()
	left := several.Patches[0]
	left.Name, left.In, left.Reasons = "left.patch", source.Nothing, []string{"fs/x.o: tls-changed"}
	several.Patches = append(several.Patches, left)
	many := made()
	many.Patches = slices.Repeat(many.Patches, maxListed+1)
	same := objectOne()
	same.Changes = nil
	many.Objects = append(many.Objects, slices.Repeat([]source.ObjectResult{same}, maxListed)...)
	fails := made()
	fails.Outcome, fails.Update, fails.Stages = source.OutcomeFailed, nil, nil
	fails.Files = []source.FileResult{{Path: "drivers/x.c", Change: "new", Note: "CONFIG_X is off"}}
	release := made()
	release.Files = slices.Repeat([]source.FileResult{{Path: "doc/a.md", Change: "modified", Note: "no object is made of it"}}, maxListed)
	release.Files = append(release.Files, fails.Files...)
	for _, c := range []struct {
		name string
		r    *source.Result
		want []string
	}{
		{"release", release, []string{"  doc/a.md, and 11 more files: no object is made of it\n  drivers/x.c  new, 0 objects: CONFIG_X is off\n"}},
		{"made", made(), []string{"fix-cmdline.patch  proc: say more in cmdline  [CVE-2026-1]\n", "replaces cmdline_proc_show at 0xffffffff813f5980, found by symbol: 32 bytes verified", "wrote fix_cmdline.ko: 8040 bytes, id e47de0902288\n", "2.3 s: plan 300 ms, compile 2.0 s\n", "set aside: 1 line number\n"}},
		{"refused", refused(), []string{"refused tls-changed: f .tbss: it is new\n", "judge const-shared: timerfd_fops .rodata.timerfd_fops:", "(with -accept const-shared: ", "(-in-place)", "refused: it can't be carried as it is\n"}},
		{"pinned", pinned, []string{"stays loaded: ", "gs_timer is passed to mod_timer, at f+0x2\n", "(number 2 of that name) in 8021q by a jump", "overwrites hex_asc at 0x10: 16 bytes", "refers to 3 exports, and to 1 place not exported; to 1 place in the modules, filled in when they are loaded; to 1 export of modules that what it changes depends on, found when it is loaded; it is loaded only where 1 other module can be: hv_vmbus\n"}},
		{"several", several, []string{"2 patches: 1 in as a whole, 1 not in\n", "  not in\n  fs/x.o: tls-changed\n"}},
		{"many", many, []string{"13 patches: 13 in as a whole\n", "12 more objects: 12 compiled, and the same; 0 have nothing of what changed\n"}},
		{"failed", fails, []string{"drivers/x.c  new, 0 objects: CONFIG_X is off\n", "failed: it does not apply, or does not compile\n"}},
	} {
		var b strings.Builder
		if err := Text(&b, document(c.r), TextOptions{Flags: true}); err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: no %q in\n%s", c.name, w, &b)
			}
		}
	}
}

// TestCollect reads a folder that many have written to.
func TestCollect(t *testing.T) {
	dir := t.TempDir()
	half := written(t, document(made()))
	for name, b := range map[string][]byte{
		"b.json": written(t, document(refused())), "a.json": written(t, document(made())), "c.json": half[:100], "d.json": []byte(`{"schema":1}`),
		".e.json": half, "f.ko": half, "g.txt": half,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	tab, err := Collect(dir)
	if err != nil {
		t.Fatal(err)
	}
	tab.Expect("fix_cmdline", "late")
	var got []string
	for _, r := range tab.Rows {
		got = append(got, r.Name+" "+string(r.Outcome)+" "+r.Report)
	}
	want := []string{"fix_cmdline made a.json", "fix_timer refused b.json", "c error c.json", "late missing "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Count{{"made", 1}, {"refused", 1}, {"error", 1}, {"missing", 1}}, tab.Outcomes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Count{{"const-shared", 1}, {"tls-changed", 1}}, tab.Codes); diff != "" {
		t.Error(diff)
	}
	p, err := NewTablePage(tab)
	if err != nil {
		t.Fatal(err)
	}
	webtest.Check(t, string(p.text), "./fix_cmdline.html", "./fix_timer.html")
	var b bytes.Buffer
	if _, err := tab.WriteTo(&b); err != nil || !json.Valid(b.Bytes()) || bytes.Contains(b.Bytes(), []byte("null")) {
		t.Errorf("%v\n%s", err, &b)
	}
	if _, err := Collect(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestTrials has a table say what trials came to, and of one that failed why.
func TestTrials(t *testing.T) {
	tab := NewTable()
	for _, r := range []*trial.Report{
		nil, {OK: true}, {Failures: []trial.Failure{{Stage: "load", Text: "no\nmore"}}}, {Findings: []trial.Finding{{Rule: "WARN", Text: "at x"}}},
	} {
		d := document(made())
		d.Trial = r
		tab.Add(d)
	}
	if diff := cmp.Diff([]Count{{TrialPassed, 1}, {TrialFailed, 2}}, tab.Trials); diff != "" {
		t.Error(diff)
	}
	var out strings.Builder
	if err := TableText(&out, tab, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	p, err := NewTablePage(tab)
	if err != nil {
		t.Fatal(err)
	}
	webtest.Check(t, string(p.text), "./fix_cmdline.html")
	for _, want := range []string{"trial: load: no", "trial: the log has WARN: at x", "tried in guests: 1 passed, 2 failed"} {
		if !strings.Contains(out.String(), want) || !strings.Contains(string(p.text), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// TestFailure: what was ended before there was a result says so in every form, with a way on.
func TestFailure(t *testing.T) {
	stages := []string{"reading", "compiling", "writing"}
	for _, c := range []struct {
		err  error
		next string
	}{
		{fmt.Errorf("compile: %w", context.Canceled), "it was interrupted: run the same again"},
		{fmt.Errorf("write: %w", syscall.ENOSPC), "free some space"},
		{fmt.Errorf("open: %w", source.ErrMissing), "install what is missing"},
		{&trial.MissingError{Commands: []string{"qemu"}}, "install what is missing"},
		{source.ErrCompiler, "install the compiler"},
		{&patch.ReadError{}, "mend that line"},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, "name a file that is there"},
		{fs.ErrPermission, "have that file, or its folder,"},
		{errors.New("anything"), "mend what it says"},
	} {
		d := document(source.Unfinished("fix", source.Identity{Release: "6.1"}, &patch.Patch{Name: "fix.patch"}))
		d.Failure = NewFailure(c.err, stages, 1)
		back, err := Read(bytes.NewReader(written(t, d)))
		if err != nil || back.Failure == nil || !strings.HasPrefix(back.Failure.Next, c.next) || strings.Join(back.Failure.Done, " ") != "reading" || strings.Join(back.Failure.Left, " ") != "writing" {
			t.Errorf("%v: %+v, %v", c.err, back.Failure, err)
		}
		var out strings.Builder
		tab := NewTable()
		tab.Add(d)
		tab.Failure = d.Failure
		p, perr := NewTablePage(tab)
		if err := errors.Join(perr, Text(&out, d, TextOptions{}), TableText(&out, tab, TextOptions{})); err != nil {
			t.Fatal(err)
		}
		page := pageText(t, d, HTMLOptions{})
		webtest.Check(t, page)
		webtest.Check(t, string(p.text), "./fix.html")
		for _, text := range []string{out.String(), page, string(p.text)} {
			if !strings.Contains(text, c.next) || !strings.Contains(text, "compiling") {
				t.Errorf("%v: no %q in\n%s", c.err, c.next, text)
			}
		}
		if got := tab.Rows[0]; got.Outcome != OutcomeError || !strings.HasPrefix(got.Error, "while compiling: ") {
			t.Errorf("%+v", got)
		}
	}
}

// FuzzRead shows whatever can be read, in every form.
func FuzzRead(f *testing.F) {
	for _, r := range []*source.Result{made(), refused(), {}} {
		f.Add(written(f, document(r)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		webtest.Check(t, pageText(t, d, HTMLOptions{}))
		var out bytes.Buffer
		if err := Text(&out, d, TextOptions{}); err != nil {
			t.Fatal(err)
		}
		tab := NewTable(RowOf(d))
		if err := TableText(&out, tab, TextOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(bytes.NewReader(written(t, d))); err != nil {
			t.Errorf("it is not read again: %v", err)
		}
	})
}
