//go:build linux && amd64

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// TestDemo runs the example as it is run without arguments.
func TestDemo(t *testing.T) {
	code, out, errs := tool().Try(t.Context(), run)
	if code != exitDone {
		t.Fatalf("exit %d: %s\n%s", code, errs, out)
	}
	for _, want := range []string{"changed  function  total", "match    total", "4. Applied", "5. Reverted", "0 lost, 0 wrong"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// objects writes the embedded objects to files.
func objects(t *testing.T) (pre, post string) {
	t.Helper()
	dir := t.TempDir()
	pre, post = filepath.Join(dir, "pre.o"), filepath.Join(dir, "post.o")
	for path, b := range map[string][]byte{pre: shopPre, post: shopPost} {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return pre, post
}

// hotpatch runs the example with flags, and decodes the JSON that it prints.
func hotpatch(t *testing.T, want int, args ...string) map[string]any {
	t.Helper()
	code, out, errs := tool().Try(t.Context(), run, args...)
	if code != want {
		t.Fatalf("hotpatch %q: exit %d, not %d: %s%s", args, code, want, errs, out)
	}
	if out == "" {
		return nil
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(out), &v); err != nil || v["schema"] != float64(splice.ReportSchema) {
		t.Fatalf("hotpatch %q: %v\n%s", args, err, out)
	}
	return v
}

// TestFlags goes the way of a pipeline: look, apply, look, refuse to apply
// twice, revert, find nothing left to revert.
func TestFlags(t *testing.T) {
	pre, post := objects(t)
	s, err := startShop(2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	price := func(want int) {
		t.Helper()
		line, err := s.ask()
		if err != nil || priceOf(line) != want {
			t.Fatalf("answer %q, %v; want %d", line, err, want)
		}
	}
	pid := strconv.Itoa(s.cmd.Process.Pid)
	price(oldTotal)
	hotpatch(t, exitNoChange, "-json", "-pid", pid, "-pre", pre, "-post", pre)
	if v := hotpatch(t, exitDone, "-json", "-pid", pid, "-pre", pre, "-post", post, "-dry-run"); len(v["redirects"].([]any)) != 2 {
		t.Errorf("dry run: %v", v)
	}
	price(oldTotal)
	hotpatch(t, exitDone, "-json", "-pid", pid, "-pre", pre, "-post", post, "-name", "discount")
	price(newTotal)
	v := hotpatch(t, exitDone, "-json", "-pid", pid, "-status")
	if list := v["updates"].([]any); len(list) != 1 || list[0].(map[string]any)["name"] != "discount" {
		t.Errorf("status: %v", v)
	}
	hotpatch(t, exitRefused, "-json", "-pid", pid, "-pre", pre, "-post", post)
	hotpatch(t, exitDone, "-json", "-pid", pid, "-revert")
	price(oldTotal)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-pid", "1"}, {"-pid", "1", "-pre", "a.o"}, {"-pre", "a.o", "-post", "b.o"}, {"-status"},
		{"-pid", "1", "-status", "-revert"}, {"-pid", "1", "-status", "-pre", "a", "-post", "b"}, {"x"}, {"-pid", "-3", "-status"}, {"-nonsense"},
	} {
		hotpatch(t, cli.ExitUsage, args...)
	}
}

// TestVictim builds the victim again: what is checked in is what the sources
// and the documented compiler give.
func TestVictim(t *testing.T) {
	testenv.Need(t, "gcc")
	version, err := exec.Command("gcc", "-dumpfullversion").Output()
	if err != nil || strings.TrimSpace(string(version)) != "12.2.0" {
		testenv.Skip(t, "needs gcc 12.2.0, not %s (%v)", bytes.TrimSpace(version), err)
	}
	dir := t.TempDir()
	if out, err := exec.Command("./victim/build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, want := range map[string][]byte{"shop": shopProgram, "pre.o": shopPre, "post.o": shopPost} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from the one that is checked in; run go generate ./examples/hotpatch", name)
		}
	}
}

// TestStored stores an update, checks its ID as a reviewer would, and applies it.
func TestStored(t *testing.T) {
	testenv.Need(t, "sha256sum")
	pre, post := objects(t)
	s, err := startShop(2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	pid := strconv.Itoa(s.cmd.Process.Pid)
	stored := filepath.Join(t.TempDir(), "update.json")
	first := hotpatch(t, exitDone, "-pid", pid, "-pre", pre, "-post", post, "-o", stored, "-dry-run", "-json")
	code, form, errs := tool().Try(t.Context(), run, "-canonical", stored)
	if code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	sum := exec.Command("sha256sum")
	sum.Stdin = strings.NewReader(form)
	out, err := sum.Output()
	if err != nil || !strings.HasPrefix(string(out), first["id"].(string)) {
		t.Errorf("sha256sum says %s (%v), the update %v", out, err, first["id"])
	}
	then := hotpatch(t, exitDone, "-pid", pid, "-update", stored, "-json")
	if then["id"] != first["id"] || then["state"] != "applied" {
		t.Errorf("%v, then %v", first, then)
	}
	hotpatch(t, exitDone, "-pid", pid, "-revert", "-id", first["id"].(string), "-json")
	hotpatch(t, exitError, "-pid", pid, "-pre", pre, "-post", post, "-o", pre)
	hotpatch(t, cli.ExitUsage, "-pid", pid, "-pre", pre, "-post", post, "-update", stored)
	hotpatch(t, cli.ExitUsage, "-canonical", stored, "-pid", pid)
}

// TestMany goes the way of a pipeline over several processes of one program.
func TestMany(t *testing.T) {
	pre, post := objects(t)
	var shops []*shop
	for range 3 {
		s, err := startShop(1)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		shops = append(shops, s)
	}
	var pids []string
	for _, s := range shops {
		pids = append(pids, "-pid", strconv.Itoa(s.cmd.Process.Pid))
	}
	stored := filepath.Join(t.TempDir(), "update.json")
	hotpatch(t, exitDone, append(pids[:2:2], "-pre", pre, "-post", post, "-o", stored, "-fixes", "CVE-1", "-dry-run", "-json")...)
	price := func(want int) {
		t.Helper()
		for _, s := range shops {
			if line, err := s.ask(); err != nil || priceOf(line) != want {
				t.Errorf("answer %q, %v; want %d", line, err, want)
			}
		}
	}
	do := func(want int, outcome string, args ...string) {
		t.Helper()
		v := hotpatch(t, want, append(append(args, "-json"), pids...)...)
		n := 0
		for _, p := range v["processes"].([]any) {
			switch got := p.(map[string]any)["outcome"]; got {
			case outcome:
				n++
			case "left-out": // of another test
			default:
				t.Errorf("%s: %v", args, p)
			}
		}
		if n != len(shops) {
			t.Errorf("%s: %d processes", args, n)
		}
	}
	fixed := func(want int, state, runs string) {
		t.Helper()
		v := hotpatch(t, want, append([]string{"fixes", stored, "-json"}, pids...)...)
		list := v["processes"].([]any)
		for _, f := range append(v["fixes"].([]any), list[0].(map[string]any)["fixes"].([]any)...) {
			fix := f.(map[string]any)
			if fix["name"] != "CVE-1" || fix["state"] != state {
				t.Errorf("%v", fix)
			}
			for _, x := range fix["functions"].([]any) {
				if got := x.(map[string]any)["runs"]; got != runs {
					t.Errorf("%v", x)
				}
			}
		}
		if len(list) != len(shops) {
			t.Errorf("%d processes", len(list))
		}
	}
	fixed(exitRefused, "not-fixed", "pre")
	do(exitDone, "ready", "apply", stored, "-dry-run")
	price(oldTotal)
	do(exitRefused, "not-applied", "verify", stored)
	do(exitDone, "applied", "apply", stored, "-limit", "1m", "-attempts", "50")
	price(newTotal)
	do(exitDone, "already-applied", "apply", stored)
	do(exitDone, "holds", "status")
	do(exitDone, "proven", "verify", stored)
	fixed(exitDone, "fixed", "post")
	do(exitDone, "reverted", "revert", stored)
	price(oldTotal)
	for _, args := range [][]string{{"apply", stored}, {"apply", "-all"}, {"apply", stored, "-all", "-pid", "1"}, {"status", "x"}, {"revert", stored}, {"verify"}, {"follow", stored}, {"follow", "-all"}, {"fixes"}} {
		hotpatch(t, cli.ExitUsage, args...)
	}
	hotpatch(t, exitError, "apply", stored+".none", "-all")
	hotpatch(t, exitError, "revert", "abc", "-pid", pids[1])
}

// compiled compiles a text in C.
func compiled(t *testing.T, text string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "text.o")
	cmd := exec.Command("gcc", append(args, "-O2", "-x", "c", "-c", "-o", out, "-")...)
	cmd.Stdin = strings.NewReader(text)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return out
}

// TestRefusedPair has a pair that can't be compared, beside one that does not differ: that is no
// "no change", since nothing is known of it.
func TestRefusedPair(t *testing.T) {
	testenv.Need(t, "gcc")
	a, b := compiled(t, "int f(void) { return 1; }\n", "-flto"), compiled(t, "int f(void) { return 2; }\n", "-flto")
	pre, _ := objects(t)
	s, err := startShop(1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	v := hotpatch(t, exitRefused, "-json", "-pid", strconv.Itoa(s.cmd.Process.Pid), "-pre", pre, "-post", pre, "-pre", a, "-post", b)
	if list := v["refusals"].([]any); len(list) != 1 || list[0].(map[string]any)["code"] != string(finding.CodeIntermediate) {
		t.Errorf("%v", v)
	}
}

// TestNoProcess says what it is that has no program to patch.
func TestNoProcess(t *testing.T) {
	pre, post := objects(t)
	ended := exec.Command("true")
	if err := ended.Start(); err != nil {
		t.Fatal(err)
	}
	zombie := ended.Process.Pid
	for b := []byte(nil); !bytes.Contains(b, []byte(") Z ")); {
		b, _ = os.ReadFile("/proc/" + strconv.Itoa(zombie) + "/stat")
	}
	try := func(pid int, want splice.Code) {
		t.Helper()
		v := hotpatch(t, exitRefused, "-json", "-pid", strconv.Itoa(pid), "-pre", pre, "-post", post)
		if list := v["refusals"].([]any); len(list) != 1 || list[0].(map[string]any)["code"] != string(want) {
			t.Errorf("process %d: %v, not %s", pid, v, want)
		}
	}
	try(zombie, process.CodeZombie)
	if err := ended.Wait(); err != nil {
		t.Fatal(err)
	}
	try(zombie, process.CodeGone)
	if st, err := procfs.ReadStat(2); err == nil && st.IsKthread() {
		try(2, process.CodeKernelThread)
	}
}

// TestTypes has a structure with another layout judged, as elfdiff has it: memory that exists, and
// code that stays, have the old one.
func TestTypes(t *testing.T) {
	testenv.Need(t, "gcc")
	const first = "int first(struct pair *p) { return p->a; }\n"
	pre, post := compiled(t, "struct pair { int a, b; };\n"+first, "-g"), compiled(t, "struct pair { int b, a; };\n"+first, "-g")
	for _, tt := range []struct {
		accept []finding.Acceptance
		want   elfdiff.Outcome
	}{
		{nil, elfdiff.OutcomeJudge},
		{[]finding.Acceptance{{Code: finding.CodeTypeLayout}}, elfdiff.OutcomeCarried},
	} {
		if d, err := diff(pre, post, tt.accept); err != nil || d.Outcome() != tt.want {
			t.Errorf("accepted %v: %v, not %s (%v)", tt.accept, d.Refusals, tt.want, err)
		}
	}
}
