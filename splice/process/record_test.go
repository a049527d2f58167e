//go:build linux && amd64

package process

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// forgedStart is where testdata/odd.c maps a forged record.
const forgedStart = 0x200000000000

// forged returns a record that is as it should be, for code at an address with
// five given bytes.
func forged(t *testing.T, at uint64, orig []byte) *record {
	t.Helper()
	r := &record{
		Format: plainFormat, Name: "forged", ID: strings.Repeat("f", 64), Start: forgedStart, End: forgedStart + 3*4096,
		Code: extent{forgedStart + 4096, forgedStart + 2*4096}, Frames: list[extent]{}, Entries: []uint64{},
	}
	d := recordRedirect{
		Function: "slow", Address: at, At: at, Orig: orig, New: r.Code[0] + 64, Stub: r.Code[0], Slot: r.Start, OldPath: r.Code[0] + 16,
	}
	d.Direct, d.Staged = jump(t, uint64(len(orig)), at, d.New), jump(t, uint64(len(orig)), at, d.Stub)
	r.Redirects = list[recordRedirect]{d}
	return r
}

// padded has the redirection of a forged record be one by padding in front of it.
func padded(r *record) {
	d := &r.Redirects[0]
	d.Pad = &recordPad{At: d.At - 14, Orig: bytes.Repeat([]byte{0x90}, 14)}
	direct, err1 := splice.HotJump(splice.JmpAbs64, d.At, d.Pad.At, d.New)
	staged, err2 := splice.HotJump(splice.JmpAbs64, d.At, d.Pad.At, d.Stub)
	if err1 != nil || err2 != nil {
		panic("a forged record is out of reach")
	}
	d.Orig, d.Direct, d.Staged = d.Orig[:2], direct.Bytes, staged.Bytes
	d.Pad.Direct, d.Pad.Staged = direct.Pad.Bytes, staged.Pad.Bytes
	r.Format = paddedFormat
}

func jump(t *testing.T, size, at, to uint64) []byte {
	t.Helper()
	for form := splice.JmpRel32; form <= splice.JmpAbs64; form++ {
		if form.Size() == size {
			j, err := splice.Jump(form, at, to)
			if err != nil {
				return make([]byte, size)
			}
			return j.Bytes
		}
	}
	return make([]byte, size)
}

// forgeries are what may be wrong with a record, and what a revert says then.
var forgeries = []struct {
	name  string
	forge func(r *record)
	raw   func(b []byte) []byte
	want  splice.Code
}{
	{name: "nothing", want: splice.CodeRedirected}, // since no such jump stands there
	{name: "half written", raw: func(b []byte) []byte { b[100] ^= 1; return b }, want: splice.CodeNotApplied},
	{name: "other magic", raw: func(b []byte) []byte { b[3] ^= 1; return b }, want: splice.CodeNotApplied},
	{name: "huge", raw: func(b []byte) []byte { binary.LittleEndian.PutUint64(b[16:], 1<<62); return b }, want: splice.CodeDamaged},
	{name: "long", raw: func(b []byte) []byte { binary.LittleEndian.PutUint64(b[16:], 4096); return b }, want: splice.CodeDamaged},
	{name: "format", forge: func(r *record) { r.Format = 9 }},
	{name: "start", forge: func(r *record) { r.Start += 4096 }},
	{name: "end", forge: func(r *record) { r.End = 0 }},
	{name: "end in unmapped memory", forge: func(r *record) { r.End += 1 << 20 }},
	{name: "size", forge: func(r *record) { r.End = 1 << 62 }},
	{name: "code elsewhere", forge: func(r *record) { r.Code = extent{0x400000, 0x500000} }},
	{name: "code backwards", forge: func(r *record) { r.Code[0], r.Code[1] = r.Code[1], r.Code[0] }},
	{name: "code that is not executable", forge: func(r *record) { r.Code[0] -= 4096; r.Redirects[0].Slot = r.Start }},
	{name: "no redirects", forge: func(r *record) { r.Redirects = nil }},
	{name: "huge frames", forge: func(r *record) { r.Frames = list[extent]{{r.Start, 1 << 60}} }},
	{name: "frames backwards", forge: func(r *record) { r.Frames = list[extent]{{r.Start + 8, r.Start}} }},
	{name: "frames that overlap", forge: func(r *record) {
		for range 100 {
			r.Frames = append(r.Frames, extent{r.Start, r.Code[0]})
		}
	}},
	{name: "empty bytes", forge: func(r *record) { d := &r.Redirects[0]; d.Orig, d.Direct, d.Staged = nil, nil, nil }},
	{name: "one byte", forge: func(r *record) {
		d := &r.Redirects[0]
		d.Orig, d.Direct, d.Staged = d.Orig[:1], d.Direct[:1], d.Staged[:1]
	}},
	{name: "long bytes", forge: func(r *record) { r.Redirects[0].Orig = make([]byte, 4096) }},
	{name: "a jump elsewhere", forge: func(r *record) { r.Redirects[0].Direct[2]++ }},
	{name: "new code elsewhere", forge: func(r *record) { r.Redirects[0].New = 0x400000 }},
	{name: "slot elsewhere", forge: func(r *record) { r.Redirects[0].Slot = 0x7f0000000000 }},
	{name: "slot in code", forge: func(r *record) { r.Redirects[0].Slot = r.Code[0] }},
	{name: "old path elsewhere", forge: func(r *record) { r.Redirects[0].OldPath = 1 }},
	{name: "at the stack", want: nothing}, // the test knows where it is
	{name: "at itself", forge: func(r *record) { r.Redirects[0].Address, r.Redirects[0].At = r.Code[0], r.Code[0] }},
	{name: "kernel", forge: func(r *record) { r.Redirects[0].Address, r.Redirects[0].At = 1<<63, 1<<63 }},
	{name: "far from its function", forge: func(r *record) { r.Redirects[0].Address -= 100 }},
	{name: "padding", forge: padded, want: splice.CodeRedirected},
	{name: "padding in another format", forge: func(r *record) { padded(r); r.Format = hookedFormat }},
	{name: "padding out of reach", forge: func(r *record) { padded(r); r.Redirects[0].Pad.At -= 4096 }},
	{name: "padding in the update", forge: func(r *record) { padded(r); r.Redirects[0].Pad.At = r.Code[0] }},
	{name: "padding over the entry", forge: func(r *record) { padded(r); r.Redirects[0].Pad.At = r.Redirects[0].At - 3 }},
	{name: "a jump in padding elsewhere", forge: func(r *record) { padded(r); r.Redirects[0].Pad.Staged[2]++ }},
	{name: "long padding", forge: func(r *record) { padded(r); r.Redirects[0].Pad.Orig = make([]byte, 4096) }},
	{name: "no padding", forge: func(r *record) { padded(r); r.Redirects[0].Pad = &recordPad{} }},
	{name: "the same place twice", forge: func(r *record) {
		d := r.Redirects[0]
		d.Slot += 8
		r.Redirects = append(r.Redirects, d)
	}},
}

// nothing is what is refused of a record that does no harm.
const nothing splice.Code = "nothing"

// TestForgedRecord has the process hold a record that nobody wrote.
func TestForgedRecord(t *testing.T) {
	b := program(t, configNamed("O2-pie"), "odd")
	name := filepath.Join(t.TempDir(), "forged")
	t.Setenv("FORGED", name)
	v := start(t, b.program)
	v.expect("before", "7:107")
	u := v.update(b)
	dry, err := Apply(context.Background(), v.pid, u, Options{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	at := dry.Redirects[0].Address
	code := v.code()
	orig := u.Objects[0].Redirects[0].Old[0].Bytes[:14]
	for _, tt := range forgeries {
		t.Run(tt.name, func(t *testing.T) {
			r := forged(t, at, append([]byte(nil), orig...))
			r.Redirects[0].Orig[0] ^= 0xff // what it would write
			if tt.name == "at the stack" {
				r = forged(t, stackOf(t, v.pid), make([]byte, 14))
			}
			if tt.forge != nil {
				tt.forge(r)
				tt.want = cmp.Or(tt.want, splice.CodeDamaged)
			}
			raw, err := r.encode()
			if err != nil {
				t.Fatal(err)
			}
			if tt.raw != nil {
				raw = tt.raw(raw)
			}
			if err := os.WriteFile(name, append(raw, make([]byte, 4096)...)[:4096], 0o644); err != nil {
				t.Fatal(err)
			}
			v.expect("forge", "106:1")
			defer v.expect("forget", "108:0")
			began := time.Now()
			stack := func() string { // what the record at the stack leads to
				b := make([]byte, 64)
				if tt.want == nothing {
					v.peek(r.Redirects[0].At, b)
				}
				return string(b)
			}
			was := stack()
			_, err = Revert(context.Background(), v.pid, "", Options{})
			switch {
			case tt.want != nothing:
				checkRefusal(t, err, tt.want)
			case err != nil || stack() != was:
				t.Errorf("%v; it wrote % x over % x", err, stack(), was)
			}
			if _, err := Status(context.Background(), v.pid); err != nil && !errors.Is(err, splice.ErrRefused) {
				t.Error(err)
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
	for at, was := range code {
		if v.code()[at] != was {
			t.Errorf("code at %#x was changed", at)
		}
	}
	v.expect("after", "7:107")
	v.apply(u)
	v.expect("patched", "7:207")
}

func stackOf(t *testing.T, pid int) uint64 {
	t.Helper()
	maps, err := procfs.Maps(pid)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maps {
		if maps[i].Path == "[stack]" {
			return maps[i].Start
		}
	}
	t.Fatal("no stack")
	return 0
}

// TestLeading has places that lead to an update beside one that somebody else has changed: what that
// leads to must stay.
func TestLeading(t *testing.T) {
	const old, direct, foreign = "\x55\x48\x89\xe5\x90", "\xe9\x01\x00\x00\x00", "\xe9\x02\x00\x00\x00"
	for _, c := range []struct {
		code  string
		state State
		leads bool
	}{
		{old + old, Kept, false}, {direct + direct, Applied, true}, {old + direct, Applied, true},
		{foreign + direct, Foreign, true}, {direct + foreign, Foreign, true}, {foreign + old, Foreign, false},
	} {
		r := &record{Redirects: list[recordRedirect]{
			{At: 4096, Orig: []byte(old), Direct: []byte(direct)}, {At: 4101, Orig: []byte(old), Direct: []byte(direct)},
		}}
		mem := memoryAt{4096, []byte(c.code)}
		if st, _ := r.state(mem); st != c.state {
			t.Errorf("% x: %s, want %s", c.code, st, c.state)
		}
		if d := r.leading(mem); (d != nil) != c.leads {
			t.Errorf("% x: %+v leads to it", c.code, d)
		}
	}
}

// FuzzRecord reads records from memory that holds anything.
func FuzzRecord(f *testing.F) {
	r := &record{Format: plainFormat, Name: "seed", Start: 4096, End: 8 * 4096, Code: extent{2 * 4096, 3 * 4096}, Redirects: list[recordRedirect]{{Slot: 4096}}}
	b, err := r.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[recordHead:])
	f.Add([]byte(`{"redirects":[{},{},{}]}`))
	f.Add([]byte(`{"format":1,"start":4096,"end":8192,"frames":[[0,18446744073709551615]]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		mem, room := memoryAt{4096, sealed(body)}, uint64(maxRecords)
		r, ok, err := readRecord(mem, 4096, 4096+uint64(len(mem.bytes)), &room)
		if ok != (r != nil) || ok && err != nil {
			t.Fatalf("%v %v %v", r, ok, err)
		}
		if ok {
			r.report(1, Applied)
			r.jumps = newJumpTable([]*record{r})
			r.state(mem)
			r.checkMaps(nil)
		}
	})
}

// sealed puts the head of a record in front of its body.
func sealed(body []byte) []byte {
	b := append([]byte(recordMagic), make([]byte, recordHead-len(recordMagic))...)
	binary.LittleEndian.PutUint64(b[16:], uint64(len(body)))
	sum := sha256.Sum256(body)
	copy(b[24:], sum[:])
	return append(b, body...)
}

// memoryAt is memory at an address.
type memoryAt struct {
	start uint64
	bytes []byte
}

func (m memoryAt) ReadAddr(p []byte, addr uint64) (int, error) {
	if addr < m.start || addr-m.start > uint64(len(m.bytes)) || uint64(len(p)) > uint64(len(m.bytes))-(addr-m.start) {
		return 0, errors.New("not mapped")
	}
	return copy(p, m.bytes[addr-m.start:]), nil
}

// TestUnfinished tells what is mapped of an update whose tool was killed.
func TestUnfinished(t *testing.T) {
	const r, rx, rw = procfs.Read, procfs.Read | procfs.Exec, procfs.Read | procfs.Write
	part := func(start, end uint64, perm procfs.Perm) procfs.Mapping {
		return procfs.Mapping{Start: start << 12, End: end << 12, Perm: perm}
	}
	whole, head := extent{1 << 12, 5 << 12}, extent{1 << 12, 2 << 12}
	for _, c := range []struct {
		name       string
		maps       []procfs.Mapping
		ours       extent
		unfinished bool
		damaged    bool
	}{
		{name: "all", maps: []procfs.Mapping{part(1, 2, r), part(2, 4, rx), part(4, 5, rw)}, ours: whole},
		{name: "no data yet", maps: []procfs.Mapping{part(1, 2, r), part(2, 5, rx)}, ours: whole, unfinished: true},
		{name: "the record alone", maps: []procfs.Mapping{part(1, 2, r)}, ours: head, unfinished: true},
		{name: "something else behind it", maps: []procfs.Mapping{part(1, 2, r), part(2, 5, rw)}, ours: head, unfinished: true},
		{name: "other data", maps: []procfs.Mapping{part(1, 2, r), part(2, 4, rx), part(4, 5, r)}, damaged: true},
		{name: "no record", maps: []procfs.Mapping{part(2, 4, rx), part(4, 5, rw)}, damaged: true},
	} {
		rec := &record{Start: 1 << 12, End: 5 << 12, Code: extent{2 << 12, 4 << 12}}
		err := rec.checkMaps(c.maps)
		if (err != nil) != c.damaged || err == nil && (rec.ours != c.ours || rec.unfinished != c.unfinished) {
			t.Errorf("%s: %#x, %v, %v", c.name, rec.ours, rec.unfinished, err)
		}
	}
}

// TestHoleTaken kills a tool behind the first part of a region, and has the program
// map something where the rest was to be. What is left is found, and taken away.
func TestHoleTaken(t *testing.T) {
	testenv.Need(t, "gcc")
	ctx := context.Background()
	b := program(t, configNamed("O2-pie"), "pair")
	v := start(t, b.program, "3")
	v.expect("before", "1:old 0 0")
	layout := v.layout()
	a := &applier{pid: v.pid}
	a.opt.defaults()
	defer a.close()
	if err := a.prepare(ctx, v.update(b)); err != nil {
		t.Fatal(err)
	}
	rec, err := a.encodeRecord()
	if err != nil {
		t.Fatal(err)
	}
	at := a.plan.at
	stopped(t, v, func(s *ptrace.Session) error {
		return errors.Join(s.MmapWith(ctx, at.start, at.code-at.start, unix.PROT_READ, rec), s.Mmap(ctx, at.code, splice.PageSize, unix.PROT_READ|unix.PROT_WRITE))
	})
	st, err := Status(ctx, v.pid)
	if err != nil || len(st) != 1 || st[0].State != Kept {
		t.Errorf("%+v, %v", st, err)
	}
	if r := v.revert(); r.Kept != "" {
		t.Errorf("%+v", r)
	}
	stopped(t, v, func(s *ptrace.Session) error { return s.Munmap(ctx, at.code, splice.PageSize) })
	if now := v.layout(); now != layout {
		t.Errorf("mappings before\n%s\nand now\n%s", layout, now)
	}
}

// TestHookGone tells what became of the module that a hook is in.
func TestHookGone(t *testing.T) {
	const rx = procfs.Read | procfs.Exec
	region := []procfs.Mapping{{Start: 1 << 12, End: 2 << 12, Perm: procfs.Read}, {Start: 2 << 12, End: 4 << 12, Perm: rx}}
	for _, c := range []struct {
		name          string
		there         procfs.Mapping
		gone, damaged bool
	}{
		{"its code", procfs.Mapping{Start: 8 << 12, End: 9 << 12, Perm: rx, Inode: 1}, false, false},
		{"nothing", procfs.Mapping{Start: 9 << 12, End: 10 << 12, Perm: rx, Inode: 1}, true, false},
		{"a heap", procfs.Mapping{Start: 8 << 12, End: 9 << 12, Perm: procfs.Read | procfs.Write}, true, false},
		{"a file's data", procfs.Mapping{Start: 8 << 12, End: 9 << 12, Perm: procfs.Read, Inode: 1}, false, true},
	} {
		r := &record{Start: 1 << 12, End: 4 << 12, Code: extent{2 << 12, 4 << 12}, Hooks: []recordHook{{At: 8 << 12, Orig: make([]byte, 14)}}}
		err := r.checkMaps(append(slices.Clone(region), c.there))
		if (err != nil) != c.damaged || r.Hooks[0].gone != c.gone {
			t.Errorf("%s: %v, %v", c.name, r.Hooks[0].gone, err)
		}
		if gone := r.Hooks[0].gone; gone && r.Hooks[0].uninstall(nil, nil) != nil {
			t.Errorf("%s: it is written to", c.name)
		}
	}
}
