package source_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/distro"
	"github.com/gosplice/gosplice/splice/source/patch"
	"github.com/gosplice/gosplice/splice/source/report"
	"github.com/gosplice/gosplice/splice/source/trial"
)

// versions are kernels of Debian, and later ones of the same series. The difference between
// their sources is what a stable release is: hundreds of patches.
var versions = []struct{ from, to string }{
	{"6.1.0-47-cloud-amd64", "6.1.0-50-cloud-amd64"},
	{"6.12.107+deb12-cloud-amd64", "6.12.111+deb12-cloud-amd64"},
}

// leastCarried is how much of what has something to carry is carried, in percent, without that
// anybody accepts anything.
const leastCarried = 85

// TestVersions makes an update of each file that differs between two versions, and loads each
// one in a guest; then one of all. It shows a table by outcome and reason. It takes hours.
func TestVersions(t *testing.T) {
	testenv.NeedKernels(t)
	if !testenv.Asked(testenv.Long) {
		t.Skip("takes hours; set GOSPLICE_TEST=kernel,long")
	}
	testenv.Need(t, "gcc-12", "make", "flex", "bison", "bc", "xz", "tar", "diff")
	for _, v := range versions {
		t.Run(v.from, func(t *testing.T) {
			files := versionFiles(t, v.from)
			b := versionBuilder(t, files)
			list := between(t, files.Source, versionFiles(t, v.to).Source)
			t.Logf("%d files differ", len(list))
			bench, err := trial.NewBench(trial.Options{Boot: files.Boot, Modules: files.Modules})
			if err != nil {
				testenv.Skip(t, "%v", err)
			}
			defer bench.Close()
			eachVersion(t, b, bench, list)
			allTogether(t, b, bench, list)
		})
	}
}

func versionFiles(t *testing.T, release string) *distro.Files {
	t.Helper()
	f, err := distro.Debian(vmtest.Context(t), release, distro.Options{})
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func versionBuilder(t *testing.T, f *distro.Files) *source.Builder {
	t.Helper()
	b, err := source.Open(vmtest.Context(t), source.Kernel{
		Release: f.Release, Source: f.Source, Config: f.Config, Image: f.Image, Modules: f.Modules, Symvers: f.Symvers, Objtool: f.Objtool, Make: f.Make,
	}, source.Options{Module: module.Options{Name: "between"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// between makes a patch of each file that differs between two archives, where it is one of the
// kernel itself.
func between(t *testing.T, from, to string) []*patch.Patch {
	t.Helper()
	dir := t.TempDir()
	for side, archive := range map[string]string{"a": from, "b": to} {
		if err := os.Mkdir(filepath.Join(dir, side), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "tar", "-xf", archive, "--strip-components=1", "-C", side)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), "diff", "-ruN", "-x", "Documentation", "-x", "tools", "-x", "samples", "a", "b")
	cmd.Dir = dir
	text, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "Binary files ") {
			lines = append(lines, line)
		}
	}
	read, err := patch.Read("between.diff", strings.NewReader(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	var list []*patch.Patch
	for _, p := range read {
		list = append(list, p.ByFile()...)
	}
	return list
}

// eachVersion makes an update of each, and loads it.
func eachVersion(t *testing.T, b *source.Builder, bench *trial.Bench, list []*patch.Patch) {
	table := report.NewTable()
	made, lost := 0, 0
	err := b.Each(t.Context(), list, func(r *source.Result) error {
		d := report.New(r)
		switch r.Outcome {
		case source.OutcomeMade:
			made++
			tried, err := bench.Try(t.Context(), trial.Options{Update: r.Update})
			if err != nil {
				return err
			}
			if d.Trial = tried; !tried.OK {
				t.Errorf("%s: %v", r.Name, tried.Failures)
			}
		case source.OutcomeJudge, source.OutcomeRefused:
			lost++
			t.Logf("%s: %s: %v", r.Patches[len(r.Patches)-1].Name, r.Outcome, r.Refusals)
		}
		table.Add(d)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	var text bytes.Buffer
	if err := report.CountsText(&text, table, report.TextOptions{}); err != nil {
		t.Error(err)
	}
	t.Logf("each:\n%s", text.String())
	if made*100 < leastCarried*(made+lost) {
		t.Errorf("%d carried, and %d not", made, lost)
	}
}

// allTogether makes one update of all that can be carried.
func allTogether(t *testing.T, b *source.Builder, bench *trial.Bench, list []*patch.Patch) {
	r, err := b.Cumulative(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	in := map[source.Presence]int{}
	for i := range r.Patches {
		p := &r.Patches[i]
		if in[p.In]++; p.In != source.Whole {
			t.Logf("%s: %s: %s", p.Name, p.In, strings.Join(p.Reasons, "; "))
		}
	}
	if r.Update == nil {
		t.Fatalf("no update of all: %v", r.Refusals)
	}
	tried, err := bench.Try(t.Context(), trial.Options{Update: r.Update})
	if err != nil {
		t.Fatal(err)
	}
	if !tried.OK {
		t.Errorf("all: %v", tried.Failures)
	}
	t.Logf("all: %v, %d functions", in, len(r.Update.Functions))
}
