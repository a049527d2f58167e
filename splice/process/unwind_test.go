//go:build linux && amd64

package process

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// unwindCases are ways to build testdata/throw/unwind.cc, whose functions throw,
// catch, have destructors and lie in between.
var unwindCases = []struct {
	name     string
	compiler string
	flags    string
	link     string
	shared   bool   // what is patched is a library
	why      string // of the refusal
}{
	{name: "gcc", compiler: "g++", flags: "-O2"},
	{name: "clang", compiler: "clang++-14", flags: "-O2"},
	{name: "gcc, static", compiler: "g++", flags: "-O2 -fno-pie", link: "-static"},
	{name: "clang, static", compiler: "clang++-14", flags: "-O2 -fno-pie", link: "-static"},
	{name: "gcc, at fixed addresses", compiler: "g++", flags: "-O2 -fno-pie", link: "-no-pie"},
	{name: "clang, a library", compiler: "clang++-14", flags: "-O1 -fPIC", link: "-rdynamic", shared: true},
	{name: "gcc, a library", compiler: "g++", flags: "-O2 -fPIC", link: "-rdynamic", shared: true},
	{name: "gcc, an unwinder of its own", compiler: "g++", flags: "-O2", link: "-static-libgcc"},
	{name: "gcc, static and position independent", compiler: "g++", flags: "-O2", link: "-static-pie"},
	{name: "gcc, stripped", compiler: "g++", flags: "-O2", link: "-s"},
	{name: "gcc, static and stripped", compiler: "g++", flags: "-O2", link: "-static -s", why: "no symbol of the process"},
	{name: "clang, not optimised", compiler: "clang++-14", flags: "-O0"},
	{name: "gcc, not optimised", compiler: "g++", flags: "-O0"},
}

// unwindAsked are requests of unwind_main.cc, in the order of its arguments.
var unwindAsked = []int{1, 2, 3, 5, 7, 9, 11, 21, 25, 42}

const (
	unwindOld = "303100 -99900 100100 205100 315100 100100 1000100 7111100 225100 7111100"
	unwindNew = "1503500 -499500 500500 1005500 1515500 500500 1000500 7110500 1025500 7110500"
)

func unwindProgram(t testing.TB, i int) built {
	t.Helper()
	c := &unwindCases[i]
	must := func(out string, args ...string) string {
		t.Helper()
		path, err := builds.run(c.compiler, fmt.Sprintf("unwind-%d/%s", i, out), args...)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	source := func(name string) string { return filepath.Join("testdata", "throw", name) }
	flags := strings.Fields(c.flags)
	b := built{pre: must("pre.o", append(flags, "-c", source("unwind.cc"))...), post: must("post.o", append(flags, "-DPATCHED", "-c", source("unwind.cc"))...)}
	args := append(flags, source("unwind_main.cc"))
	if c.shared {
		lib := must("libunwind_test.so", "-shared", b.pre)
		args = append(args, lib, "-Wl,-rpath,"+filepath.Dir(lib))
	} else {
		args = append(args, b.pre)
	}
	b.program = must("program", append(append(args, "-pthread"), strings.Fields(c.link)...)...)
	return b
}

func (v *victim) expectAll(when, want string) {
	v.t.Helper()
	for i, w := range strings.Fields(want) {
		if got := v.ask(unwindAsked[i]); got != w {
			v.t.Errorf("%s: request %d: %s, want %s", when, unwindAsked[i], got, w)
		}
	}
}

// TestUnwinding applies and reverts updates of functions that exceptions come from,
// pass through and are caught in, beside threads that do nothing else.
func TestUnwinding(t *testing.T) {
	testenv.Need(t, "gcc", "g++")
	for i, c := range unwindCases {
		if i%5 != 0 && !testenv.Asked(testenv.Long) { // most of it is compiling
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if !testenv.Asked(testenv.Long) {
				t.Parallel()
			}
			testenv.Need(t, c.compiler)
			b := unwindProgram(t, i)
			v := start(t, b.program, strings.Fields(unwindNew)...)
			v.expectAll("before", unwindOld)
			u := v.update(b)
			if c.why != "" {
				_, err := Apply(context.Background(), v.pid, u, Options{})
				checkRefusal(t, err, splice.CodeUnwinding)
				if !strings.Contains(err.Error(), c.why) {
					t.Errorf("%v does not say %q", err, c.why)
				}
				v.expectAll("refused", unwindOld)
				return
			}
			throwing(t, v, u)
		})
	}
}

// throwing applies and reverts an update while eight threads throw.
func throwing(t *testing.T, v *victim, u *splice.Update) {
	t.Helper()
	code := v.code()
	v.ask(-8)
	limit := 150 * time.Millisecond
	if testenv.Asked(testenv.Long) {
		limit = time.Minute
	}
	cycles, tries := 0, 0
	opt := Options{Attempts: 2000, Backoff: time.Microsecond}
	for end := time.Now().Add(limit); cycles == 0 || time.Now().Before(end); cycles++ {
		r, err := Apply(context.Background(), v.pid, u, opt)
		if err != nil {
			t.Fatal(err)
		}
		tries += r.Attempts
		v.expectAll("applied", unwindNew)
		if r, err = Revert(context.Background(), v.pid, "", opt); err != nil {
			t.Fatal(err)
		}
		tries += r.Attempts
		for tries := 0; r.Kept != ""; tries++ { // words of exceptions in frames that are not in use go away
			if tries == 10 {
				t.Fatal(r.Kept)
			}
			if r, err = Revert(context.Background(), v.pid, "", opt); err != nil {
				t.Fatal(err)
			}
		}
		v.expectAll("reverted", unwindOld)
	}
	said := v.ask(-1)
	t.Logf("%d cycles in %d stops; %s rounds of 8 threads, wrong answers", cycles, tries, said)
	if rounds, wrong, _ := strings.Cut(said, " "); rounds == "0" || wrong != "0" {
		t.Errorf("rounds and wrong answers: %s", said)
	}
	after := v.code()
	for at, was := range code {
		if after[at] != was {
			t.Errorf("code at %#x differs", at)
		}
	}
	if st, err := Status(context.Background(), v.pid); err != nil || len(st) > 0 {
		t.Errorf("it still holds %+v, %v", st, err)
	}
}

// TestHooks reverts two updates that the unwinder was led to, in both orders.
func TestHooks(t *testing.T) {
	testenv.Need(t, "gcc", "g++")
	b := unwindProgram(t, 0)
	v := start(t, b.program, strings.Fields(unwindNew)...)
	v.expectAll("before", unwindOld) // its libraries are there
	const otherOld, otherNew = "2001:2|2002:-1", "2001:10|2002:-9"
	first := v.update(b)
	second := secondUpdate(t, v, b)
	code, layout := v.code(), v.layout()
	for _, order := range [][2]*splice.Update{{first, second}, {second, first}} {
		v.apply(first)
		v.apply(second)
		v.expectAll("applied", unwindNew)
		v.expect("applied", otherNew)
		for _, u := range []*splice.Update{first, second} {
			if seen, err := Inspect(context.Background(), v.pid, u); err != nil || seen.Differs != "" || seen.Functions[0].Runs != New {
				t.Errorf("%+v, %v", seen, err)
			}
		}
		for i, u := range order {
			if r, err := Revert(context.Background(), v.pid, u.ID(), Options{}); err != nil || r.Kept != "" {
				t.Fatalf("%+v, %v", r, err)
			}
			if (u == first) == (i == 0) {
				v.expectAll("reverted", unwindOld)
			}
			if i == 0 && u == first {
				v.expect("still applied", otherNew)
			} else if i == 0 {
				v.expectAll("still applied", unwindNew)
				v.expect("reverted", otherOld)
			}
		}
		v.expectAll("reverted", unwindOld)
		v.expect("reverted", otherOld)
		for at, now := range v.code() {
			if now != code[at] {
				t.Errorf("code at %#x differs", at)
			}
		}
		if now := v.layout(); now != layout {
			t.Errorf("mappings before\n%s\nand now\n%s", layout, now)
		}
	}
}

// secondUpdate builds an update of what first leaves alone.
func secondUpdate(t *testing.T, v *victim, b built) *splice.Update {
	t.Helper()
	flags := append(strings.Fields(unwindCases[0].flags), "-DOTHERWISE", "-c", filepath.Join("testdata", "throw", "unwind.cc"))
	post, err := builds.run("g++", "unwind-0/other.o", flags...)
	if err != nil {
		t.Fatal(err)
	}
	return v.update(built{pre: b.pre, post: post})
}

// stopped does something to a process that stands still, and leaves it like a tool
// that is killed then.
func stopped(t *testing.T, v *victim, do func(*ptrace.Session) error) {
	t.Helper()
	s, err := ptrace.Seize(context.Background(), v.pid, ptrace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Detach()
	if err := errors.Join(s.Stop(context.Background()), do(s)); err != nil {
		t.Fatal(err)
	}
}

// TestHookLeftBehind reverts an update while the slot of another one, which is out of
// the chain, still leads to it: a tool was killed before it unmapped that.
func TestHookLeftBehind(t *testing.T) {
	testenv.Need(t, "gcc", "g++")
	ctx := context.Background()
	b := unwindProgram(t, 0)
	v := start(t, b.program)
	v.expectAll("before", unwindOld)
	first, second := v.update(b), secondUpdate(t, v, b)
	v.apply(first)
	v.apply(second)
	stopped(t, v, func(s *ptrace.Session) error {
		records, err := findRecords(ctx, v.pid, s.Mem())
		i := slices.IndexFunc(records, func(r *record) bool { return r.ID == second.ID() })
		return errors.Join(err, restore(s.Mem(), records[i], Applied), records[i].uninstall(s.Mem(), records))
	})
	v.apply(second)
	stopped(t, v, func(s *ptrace.Session) error {
		records, err := findRecords(ctx, v.pid, s.Mem())
		slices.SortFunc(records, func(a, b *record) int { return cmp.Compare(a.Time, b.Time) }) // what is left behind is before what is in use
		if len(records) != 3 || records[0].ID != first.ID() {
			t.Errorf("%d records", len(records))
		}
		return errors.Join(err, restore(s.Mem(), records[0], Applied), records[0].uninstall(s.Mem(), records),
			s.Munmap(ctx, records[0].Start, records[0].End-records[0].Start))
	})
	v.expectAll("the first reverted", unwindOld)
	v.expect("the second applied", "2001:10|2002:-9")
}

// TestHookTakenBack writes no redirection, because that fails. The hook is gone when
// the threads run again.
func TestHookTakenBack(t *testing.T) {
	testenv.Need(t, "gcc", "g++")
	ctx := context.Background()
	b := unwindProgram(t, 0)
	v := start(t, b.program)
	u := v.update(b)
	a := &applier{pid: v.pid}
	a.opt.defaults()
	defer a.close()
	if err := a.prepare(ctx, u); err != nil {
		t.Fatal(err)
	}
	v.expect("code that nobody can write to", "-100:shared") // only now: prepare refuses it
	code, layout := v.code(), v.layout()
	var err error
	if a.session, err = seize(ctx, a.id, &a.opt); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.mapRegion(ctx), a.fill()); err != nil {
		t.Fatal(err)
	}
	if err := a.commitWhenIdle(ctx); err == nil || len(a.plan.rec.Hooks) == 0 {
		t.Errorf("%v, %d hooks", err, len(a.plan.rec.Hooks))
	}
	for at, now := range v.code() {
		if now != code[at] {
			t.Errorf("code at %#x differs", at)
		}
	}
	if err := a.unmap(); err != nil || v.layout() != layout {
		t.Errorf("%v; mappings before\n%s\nand now\n%s", err, layout, v.layout())
	}
}

// TestHookForms takes the same jump to what is near and to what is far away, so that
// hooks of both can take each other's place, and a short one where a long one has no
// room.
func TestHookForms(t *testing.T) {
	const at = 0x7f0000001000
	code := []byte("\xf3\x0f\x1e\xfa\x41\x57\x41\x56\x41\x55\x41\x54\x49\x89\xf4\x55\x48\x89\xfd\x53\xc3")
	for _, c := range []struct {
		entry, room uint64
		size        int // 0: refused
	}{{at + 1<<20, 21, 14}, {1 << 32, 21, 14}, {at + 1<<20, 12, 5}, {1 << 32, 12, 0}} {
		u := unwinder{addr: at, code: code[:c.room]}
		p := &plan{at: region{stubs: c.entry}}
		h, err := u.hook(p, c.entry-64, c.entry-56)
		if len(h.Direct) != c.size || (err != nil) != (c.size == 0) {
			t.Errorf("to %#x in %d bytes: %d bytes, %v", c.entry, c.room, len(h.Direct), err)
		}
	}
}

// TestHookCode decodes the code of a hook: where its branches lead, and which
// fields are filled in.
func TestHookCode(t *testing.T) {
	fields := map[int]bool{}
	for off := 0; off < len(hookCode); {
		in, err := amd64.Decode([]byte(hookCode[off:]))
		if err != nil {
			t.Fatalf("+%d: %v", off, err)
		}
		if in.IsRIPRelative() {
			fields[off+int(in.PCRelOff)] = true
		}
		if to, ok := in.Target([]byte(hookCode[off:]), uint64(off)); ok && hookTargets[off] != int(to) {
			t.Errorf("the branch at +%d leads to +%d, not to +%d", off, to, hookTargets[off])
		}
		off += int(in.Len)
	}
	for _, f := range []int{hookLow, hookHigh, hookTable, hookNext} {
		if !fields[f] {
			t.Errorf("no field at +%d", f)
		}
	}
	if len(fields) != 4 || len(hookCode) > hookRoom {
		t.Errorf("fields %v, %d bytes", fields, len(hookCode))
	}
}

// hookTargets says where the branches of hookCode lead: next, skip, found, loop.
var hookTargets = map[int]int{14: 84, 26: 84, 41: 84, 46: 54, 52: 60, 58: 35}

// TestMovedCall moves a function whose first instructions are a call, which has to
// return to the function.
func TestMovedCall(t *testing.T) {
	const from, to, target = 0x401000, 0x555500001000, 0x402000
	code := append([]byte("\x53\x89\xfb\xe8"), 0, 0, 0, 0, 0x5b, 0xc3) // push %rbx; mov %edi,%ebx; call; pop; ret
	binary.LittleEndian.PutUint32(code[4:], target-(from+8))
	b, err := movedPrologue(&splice.Function{Name: "f", Addr: from, Code: code}, 0, 5, to)
	if err != nil {
		t.Fatal(err)
	}
	want := "\x53\x89\xfb" + "\x68\x08\x10\x40\x00" + "\xc7\x44\x24\x04\x00\x00\x00\x00" + "\xff\x25\x00\x00\x00\x00" + "\x00\x20\x40\x00\x00\x00\x00\x00"
	if string(b) != want {
		t.Errorf("% x, want % x", b, want)
	}
}
