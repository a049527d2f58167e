//go:build linux && amd64

package process

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

// hotConfigs are ways to compile functions without room for a jump.
var hotConfigs = []struct{ name, compiler, flags, link string }{
	{"gcc", "gcc", "-Os -falign-functions=1 -fno-toplevel-reorder", "-pie"},
	{"gcc-cf-stripped", "gcc", "-Os -falign-functions=1 -fno-toplevel-reorder -fcf-protection=full", "-pie -s"},
	{"gcc-nopie", "gcc", "-Os -falign-functions=1 -fno-toplevel-reorder -fno-pie", "-no-pie"},
	{"gcc-patchable", "gcc", "-Os -falign-functions=1 -fno-toplevel-reorder -fpatchable-function-entry=17,16", "-pie"},
	{"clang", "clang-19", "-Oz -fPIE -falign-functions=1", "-pie"},
	{"clang-hotpatch", "clang-19", "-Oz -fPIE -fms-hotpatch -fpatchable-function-entry=11,10", "-pie -s"},
}

// hotProgram builds testdata/hotpatch.c, and its object with the changes that bits say.
func hotProgram(t *testing.T, config string, patched int) built {
	t.Helper()
	for _, c := range hotConfigs {
		if c.name != config {
			continue
		}
		testenv.Need(t, "gcc", c.compiler)
		must := func(path string, err error) string {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			return path
		}
		flags := append(strings.Fields(c.flags), "-c", "testdata/hotpatch.c")
		dir := "hot-" + c.name + "/"
		b := built{pre: must(builds.run(c.compiler, dir+"hotpatch.o", flags...))}
		b.post = must(builds.run(c.compiler, fmt.Sprintf("%shotpatch.%d.o", dir, patched), append(flags, "-DPATCHED="+strconv.Itoa(patched))...))
		driver := must(builds.gcc(dir+"driver.o", "-O2", "-c", "testdata/driver.c"))
		b.program = must(builds.gcc(dir+"hotpatch", append(strings.Fields(c.link), "-pthread", driver, b.pre)...))
		return b
	}
	t.Fatalf("no configuration %s", config)
	return built{}
}

const hotOld, hotOne, hotTwo, hotNew = "5:5 0 27", "5:116 0 27", "5:5 216 27", "5:116 216 27"

// TestHotpatch redirects functions that have no room for a jump, by jumps in the padding near
// them, while threads run through them.
func TestHotpatch(t *testing.T) {
	for _, c := range hotConfigs {
		t.Run(c.name, func(t *testing.T) {
			b := hotProgram(t, c.name, 3)
			v := start(t, b.program, "3")
			v.expect("before", hotOld)
			u := v.update(b)
			code, layout := v.code(), v.layout()
			for range 2 {
				r := v.apply(u)
				v.expect("after", hotNew)
				hot := 0
				for i := range r.Redirects {
					if d := &r.Redirects[i]; strings.HasPrefix(d.Form, "hotpatch ") {
						v.leadsTo(d)
						hot++
					}
				}
				if hot == 0 {
					t.Fatalf("no jump stands in padding: %+v", r.Redirects)
				}
				st, err := Status(context.Background(), v.pid)
				if err != nil || len(st) != 1 || st[0].State != Applied || fmt.Sprint(st[0].Redirects) != fmt.Sprint(r.Redirects) {
					t.Fatalf("status %+v, %v", st, err)
				}
				if x, err := Inspect(context.Background(), v.pid, u); err != nil || x.Differs != "" || x.Functions[0].Runs != New {
					t.Errorf("inspect %+v, %v", x, err)
				}
				v.revert()
				v.expect("reverted", hotOld)
				if !maps.Equal(code, v.code()) || v.layout() != layout {
					t.Fatal("something is left behind")
				}
			}
		})
	}
}

// leadsTo follows a redirection as objdump reads the code of the process.
func (v *victim) leadsTo(d *Redirect) {
	v.t.Helper()
	at := d.Address
	if line := v.disassemble(at); strings.Contains(line, "endbr64") {
		at += 4
	}
	for range 2 {
		line := v.disassemble(at)
		to := regexp.MustCompile(`\tjmp +0x([0-9a-f]+)$`).FindStringSubmatch(line)
		if to == nil {
			v.t.Fatalf("%s: objdump reads %q", d.Function, line)
		}
		at, _ = strconv.ParseUint(to[1], 16, 64)
	}
	if at != d.New {
		v.t.Errorf("%s leads to %#x, and the new function is at %#x", d.Function, at, d.New)
	}
}

// disassemble returns the line that objdump has for an instruction of the process.
func (v *victim) disassemble(at uint64) string {
	v.t.Helper()
	testenv.Need(v.t, "objdump")
	mem, err := procfs.OpenMem(v.pid, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	defer mem.Close()
	b := make([]byte, 16)
	if _, err := mem.ReadAddr(b, at); err != nil {
		v.t.Fatal(err)
	}
	name := filepath.Join(v.t.TempDir(), "code")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		v.t.Fatal(err)
	}
	out, err := exec.Command("objdump", "-D", "-bbinary", "-mi386:x86-64", fmt.Sprintf("--adjust-vma=%#x", at), name).Output()
	if err != nil {
		v.t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(strings.TrimSpace(line), fmt.Sprintf("%x:", at)) {
			return strings.TrimRight(line, "\n")
		}
	}
	v.t.Fatalf("objdump says\n%s", out)
	return ""
}

// TestHotpatchStacked applies an update to a function whose neighbour another one has redirected
// by a jump in the same padding, and takes both back in either order.
func TestHotpatchStacked(t *testing.T) {
	one, two := hotProgram(t, "gcc", 1), hotProgram(t, "gcc", 2)
	v := start(t, one.program, "3")
	v.expect("before", hotOld)
	first, second := v.update(one), v.update(two)
	code, layout := v.code(), v.layout()
	for _, ids := range [][]string{{first.ID(), second.ID()}, {second.ID(), first.ID()}} {
		a, b := v.apply(first), v.apply(second)
		v.expect("both", hotNew)
		if a.Redirects[0].Form != "hotpatch rel32" || b.Redirects[0].Form != "hotpatch rel32" {
			t.Fatalf("forms %+v, %+v", a.Redirects, b.Redirects)
		}
		v.leadsTo(&a.Redirects[0])
		v.leadsTo(&b.Redirects[0])
		for _, u := range []*splice.Update{first, second} {
			if x, err := Inspect(context.Background(), v.pid, u); err != nil || x.Differs != "" || x.Functions[0].Runs != New {
				t.Errorf("inspect %+v, %v", x, err)
			}
		}
		left := map[string]string{first.ID(): hotTwo, second.ID(): hotOne}[ids[0]]
		for i, want := range []string{left, hotOld} {
			if _, err := Revert(context.Background(), v.pid, ids[i], Options{}); err != nil {
				t.Fatal(err)
			}
			v.expect("reverted", want)
		}
		if !maps.Equal(code, v.code()) || v.layout() != layout {
			t.Fatal("something is left behind")
		}
	}
}

// TestHotpatchTaken has somebody else write to the padding.
func TestHotpatchTaken(t *testing.T) {
	b := hotProgram(t, "gcc", 1)
	v := start(t, b.program)
	v.expect("before", hotOld)
	u := v.update(b)
	r := &u.Objects[0].Redirects[0]
	if u.Format != splice.PadsFormat || len(r.Pads) == 0 {
		t.Fatalf("format %d, %+v", u.Format, r)
	}
	bias := v.bias(r)
	var was [][]byte
	for _, s := range r.Pads {
		was = append(was, s.Bytes)
		other := make([]byte, len(s.Bytes))
		for i := range other {
			other[i] = 0xcc ^ 0xff
		}
		v.poke(s.Addr+bias, other)
	}
	code, layout := v.code(), v.layout()
	_, err := Apply(context.Background(), v.pid, u, Options{})
	checkRefusal(t, err, splice.CodeRedirected)
	if !maps.Equal(code, v.code()) || v.layout() != layout {
		t.Error("the refusal changed something")
	}
	for i, s := range r.Pads {
		v.poke(s.Addr+bias, was[i])
	}
	v.apply(u)
	v.expect("after", hotOne)
	v.revert()
	v.expect("reverted", hotOld)
}

// bias is what is added to link addresses of the program.
func (v *victim) bias(r *splice.Redirect) uint64 {
	v.t.Helper()
	view, err := OpenView(context.Background(), v.pid)
	if err != nil {
		v.t.Fatal(err)
	}
	defer view.Close()
	for _, m := range view.img.Modules() {
		if m.Main {
			return m.Bias
		}
	}
	return 0
}

// TestHotpatchThread has a thread stand at a jump in padding: nothing is reverted then.
func TestHotpatchThread(t *testing.T) {
	b := hotProgram(t, "gcc", 1)
	v := start(t, b.program)
	v.expect("before", hotOld)
	v.apply(v.update(b))
	view, err := OpenView(context.Background(), v.pid)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	pad := view.records[0].Redirects[0].Pad
	if pad == nil {
		t.Fatal("no jump in padding")
	}
	s := &stacks{areas: view.records[0].areas()}
	if a := s.at(pad.At, true); a == nil || a.name != "one" {
		t.Errorf("a thread at the jump: %+v", a)
	}
	if a := s.at(pad.At+uint64(len(pad.Orig)), false); a != nil {
		t.Errorf("the entry is taken for what returns to the padding: %+v", a)
	}
}
