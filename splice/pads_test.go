package splice_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
)

// padCases are what may stand in front of a function that is too short for a jump: GAP of
// padUnit. user is what else the program has.
var padCases = []struct {
	name, gap, user string
	link            string
	refused         bool
}{
	{name: "padding", gap: ".nops 20"},
	{name: "padding of a stripped program", gap: ".nops 20", link: "-s"},
	{name: "alignment", gap: ".p2align 5"},
	{name: "int3", gap: ".fill 20, 1, 0xcc"},
	{name: "as large as a jump", gap: ".nops 5"},
	{name: "smaller than a jump", gap: ".nops 4", refused: true},
	{name: "a branch over it", gap: ".nops 20", user: "user: jmp one; jmp fore"},
	{name: "no padding", refused: true},
	{name: "code", gap: ".nops 10; incl %edi; .nops 10", refused: true},
	{name: "a symbol", gap: "stray: .nops 20", refused: true},
	{name: "a symbol inside", gap: ".nops 2; stray: .nops 2", refused: true},
	{name: "flow runs into it", gap: ".type runs,@function; runs: incl %edi; .size runs, .-runs; .nops 20", refused: true},
	{name: "a call returns to it", gap: ".type calls,@function; calls: call abort@PLT; .size calls, .-calls; .nops 20", refused: true},
	{name: "what does not decode is in front", gap: ".type data,@function; data: .byte 0x06, 0xc3; .size data, .-data; .nops 20", refused: true},
	{name: "a short branch into it", gap: ".nops 10; .Lin: .nops 10", user: ".type user,@function; user: jmp .Lin; .size user, .-user", refused: true},
	{name: "a short branch of nobody", gap: ".nops 10; .Lin: .nops 10", user: "jrcxz .Lin; ret", refused: true},
	{name: "a long branch into it", gap: ".nops 10; .Lin: .nops 10", user: "user: .nops 150; .byte 0x0f, 0x84; .long .Lin-.-4; ret", refused: true},
	{name: "its address in code", gap: ".nops 10; .Lin: .nops 10", user: "user: lea .Lin(%rip),%rax; ret", refused: true},
	{name: "its address in data", gap: ".nops 10; .Lin: .nops 10", user: ".pushsection .data; .quad .Lin; .popsection", refused: true},
}

const padUnit = `
	int fore(int x) { return x * 3 + 1; }
	asm("GAP");
	int one(int x) { return x P(* 7 + 1); }
	int f(int x) { return one(x) ^ one(x + 1) ^ fore(x); }
	asm("USER");
	int after(int x) { return one(x) * 3; }`

// TestPads builds updates of a function that has no room for a jump, with padding in front of it,
// or what looks so.
func TestPads(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, c := range padCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			unit := strings.NewReplacer("GAP", c.gap, "USER", c.user).Replace(padUnit)
			f, objects := parts(t, unit, "", "-Os", "-fno-inline", "-fno-ipa-icf", "-fcf-protection=none", "-falign-functions=1", "-fno-toplevel-reorder")
			link := append(objects, "-o", f.image)
			if c.link != "" {
				link = append(link, c.link)
			}
			command(t, "gcc", link...)
			u, err := f.build(t, openELF(t, f.image))
			if c.refused {
				if !errors.Is(err, splice.CodeTooShort) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			inFront(t, u)
		})
	}
}

// inFront demands that padding ends where the function begins, and is enough for it.
func inFront(t *testing.T, u *splice.Update) {
	t.Helper()
	r := &u.Objects[0].Redirects[0]
	if u.Format != splice.PadsFormat || r.Function != "one" || len(r.Pads) == 0 || u.Check() != nil {
		t.Fatalf("format %d, %+v, %v", u.Format, r, u.Check())
	}
	if s := r.Pads[0]; s.Addr+uint64(len(s.Bytes)) != r.Old[0].Addr {
		t.Errorf("padding at %#x, %d bytes, for a function at %#x", s.Addr, len(s.Bytes), r.Old[0].Addr)
	}
	f := splice.Function{Name: r.Function, Addr: r.Old[0].Addr, Code: r.Old[0].Bytes, Entries: r.Entries}
	for _, s := range r.Pads {
		f.Pads = append(f.Pads, splice.Pad{Start: s.Addr, End: s.Addr + uint64(len(s.Bytes))})
	}
	to := f.Addr + 1<<20
	way, err := splice.Plan(f, to)
	if err != nil || way.Form != splice.HotRel32 || way.To != to || way.Pad.Form != splice.JmpRel32 || way.Pad.At+5 != f.Addr {
		t.Errorf("%+v, %v", way, err)
	}
}

// hotPlans are functions with padding from 0x1000 to 0x1010, and what is made of it.
var hotPlans = []struct {
	name    string
	addr    uint64
	code    string
	entries []uint64
	pads    []splice.Pad
	to      uint64
	form    splice.Form
	at, pad uint64
	refused splice.Code
}{
	{name: "two bytes", addr: 0x1010, code: "\xeb\x10", to: 0x2000, form: splice.HotRel32, at: 0x1010, pad: 0x100b},
	{name: "room for a plain one", addr: 0x1010, code: "\x0f\x1f\x44\x00\x00", to: 0x2000, form: splice.JmpRel32, at: 0x1010},
	{name: "behind endbr64", addr: 0x1010, code: "\xf3\x0f\x1e\xfa\xeb\x10", to: 0x2000, form: splice.HotRel32, at: 0x1014, pad: 0x100b},
	{name: "far", addr: 0x1010, code: "\xeb\x10", to: 1 << 46, form: splice.HotAbs64, at: 0x1010, pad: 0x1002},
	{name: "behind the function", addr: 0xfff - 15, code: "\xeb\x10", to: 0x2000, form: splice.HotRel32, at: 0xfff - 15, pad: 0x1000},
	{name: "one byte", addr: 0x1010, code: "\xc3", to: 0x2000, refused: splice.CodeTooShort},
	{name: "a branch into it", addr: 0x1010, code: "\x90\xc3", entries: []uint64{1}, to: 0x2000, refused: splice.CodeTooShort},
	{name: "a branch behind it", addr: 0x1010, code: "\x90\x90\xc3", entries: []uint64{2}, to: 0x2000, form: splice.HotRel32, at: 0x1010, pad: 0x100b},
	{name: "as far as it reaches", addr: 0x108b - 2, code: "\xeb\x10", to: 0x2000, form: splice.HotRel32, at: 0x1089, pad: 0x100b},
	{name: "only its start", addr: 0x1000 + 126, code: "\xeb\x10", to: 0x2000, form: splice.HotRel32, at: 0x107e, pad: 0x100b},
	{name: "too far", addr: 0x108c, code: "\xeb\x10", to: 0x2000, refused: splice.CodeTooShort},
	{name: "too small", addr: 0x1010, code: "\xeb\x10", pads: []splice.Pad{{Start: 0x100c, End: 0x1010}}, to: 0x2000, refused: splice.CodeTooShort},
	{name: "upside down", addr: 0x1010, code: "\xeb\x10", pads: []splice.Pad{{Start: 0x1010, End: 0x1000}}, to: 0x2000, refused: splice.CodeTooShort},
	{name: "too small for a long one", addr: 0x1010, code: "\xeb\x10", pads: []splice.Pad{{Start: 0x1008, End: 0x1010}}, to: 1 << 46, refused: splice.CodeOutOfReach},
	{name: "the second", addr: 0x1010, code: "\xeb\x10", pads: []splice.Pad{{Start: 0x100c, End: 0x1010}, {Start: 0x1020, End: 0x1030}}, to: 0x2000, form: splice.HotRel32, at: 0x1010, pad: 0x1020},
	{name: "across a page", addr: 0x1003, code: "\xeb\x10", pads: []splice.Pad{{Start: 0xff0, End: 0x1003}}, to: 0x2000, form: splice.HotRel32, at: 0x1003, pad: 0xffb},
	{name: "an entry across a page", addr: 0xfff, code: "\xeb\x10", pads: []splice.Pad{{Start: 0xff0, End: 0xfff}}, to: 0x2000, refused: splice.CodeTooShort},
}

func TestHotPlan(t *testing.T) {
	for _, c := range hotPlans {
		if c.pads == nil {
			c.pads = []splice.Pad{{Start: 0x1000, End: 0x1010}}
		}
		p, err := splice.Plan(splice.Function{Name: "f", Addr: c.addr, Code: []byte(c.code), Entries: c.entries, Pads: c.pads}, c.to)
		if c.refused != "" {
			if !errors.Is(err, c.refused) {
				t.Errorf("%s: %+v, %v", c.name, p, err)
			}
			continue
		}
		if err != nil || p.Form != c.form || p.At != c.at || p.To != c.to {
			t.Errorf("%s: %+v, %v", c.name, p, err)
			continue
		}
		if !p.Form.InPadding() {
			continue
		}
		if p.Pad == nil || p.Pad.At != c.pad || p.Pad.To != c.to || p.Pad.Form != p.Form.Long() || len(p.Bytes) != 2 || p.At+2+uint64(int64(int8(p.Bytes[1]))) != p.Pad.At {
			t.Errorf("%s: %+v, %+v", c.name, p, p.Pad)
		}
	}
}
