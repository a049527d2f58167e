package splice

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

func code(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	nop8  = "0f 1f 84 00 00 00 00 00" // 8 bytes
	endbr = "f3 0f 1e fa"
)

// plans are functions, where to redirect them, and what Plan makes of it.
var plans = []struct {
	name    string
	addr    uint64
	code    string
	entries []uint64
	to      uint64
	want    string // bytes of the trampoline at +skip
	skip    uint64
	refused Code
}{
	{name: "near", addr: 0x1000, code: nop8, to: 0x2000, want: "e9 fb 0f 00 00"},
	{name: "backwards", addr: 0x2000, code: nop8, to: 0x1000, want: "e9 fb ef ff ff"},
	{name: "as far as it reaches", addr: 0x1000, code: nop8, to: 0x1005 + 1<<31 - 1, want: "e9 ff ff ff 7f"},
	{name: "as far back as it reaches", addr: 0x1_8000_0000, code: nop8, to: 0x1_0000_0005, want: "e9 00 00 00 80"},
	{name: "one too far", addr: 0x1000, code: nop8 + nop8, to: 0x1005 + 1<<31, want: "ff 25 00 00 00 00 05 10 00 80 00 00 00 00"},
	{name: "far", addr: 0x1000, code: nop8 + nop8, to: 0x7fff_0000_0000, want: "ff 25 00 00 00 00 00 00 00 00 ff 7f 00 00"},
	{name: "far, and no room", addr: 0x1000, code: nop8, to: 0x7fff_0000_0000, refused: CodeOutOfReach},
	{name: "far, and a branch target", addr: 0x1000, code: nop8 + nop8 + "eb f6", to: 0x7fff_0000_0000, refused: CodeOutOfReach},
	{name: "behind endbr64", addr: 0x1000, code: endbr + nop8, to: 0x2000, want: "e9 f7 0f 00 00", skip: 4},
	{name: "no room behind endbr64", addr: 0x1000, code: endbr + "0f 1f 40 00", to: 0x2000, refused: CodeTooShort},
	{name: "exactly five bytes", addr: 0x1000, code: "0f 1f 44 00 00", to: 0x2000, want: "e9 fb 0f 00 00"},
	{name: "four bytes", addr: 0x1000, code: "0f 1f 40 00", to: 0x2000, refused: CodeTooShort},
	{name: "empty", addr: 0x1000, to: 0x2000, refused: CodeTooShort},
	{name: "loop to the entry", addr: 0x1000, code: nop8 + "eb f6", to: 0x2000, want: "e9 fb 0f 00 00"},
	{name: "loop to +3", addr: 0x1000, code: nop8 + "eb f9", to: 0x2000, refused: CodeBranchTarget},
	{name: "loop to +5", addr: 0x1000, code: nop8 + "eb fb", to: 0x2000, want: "e9 fb 0f 00 00"},
	{name: "near loop to +4", addr: 0x1000, code: nop8 + "0f 84 f6 ff ff ff", to: 0x2000, refused: CodeBranchTarget},
	{name: "call of +1", addr: 0x1000, code: nop8 + "e8 f4 ff ff ff", to: 0x2000, refused: CodeBranchTarget},
	{name: "jrcxz to +2", addr: 0x1000, code: nop8 + "e3 f8", to: 0x2000, refused: CodeBranchTarget},
	{name: "into endbr64", addr: 0x1000, code: endbr + nop8 + "eb f3", to: 0x2000, want: "e9 f7 0f 00 00", skip: 4},
	{name: "jump table to +4", addr: 0x1000, code: nop8, entries: []uint64{4}, to: 0x2000, refused: CodeBranchTarget},
	{name: "jump table to +5", addr: 0x1000, code: nop8, entries: []uint64{5}, to: 0x2000, want: "e9 fb 0f 00 00"},
	{name: "jump table to the entry", addr: 0x1000, code: nop8, entries: []uint64{0}, to: 0x2000, want: "e9 fb 0f 00 00"},
	{name: "undecodable", addr: 0x1000, code: nop8 + "06", to: 0x2000, refused: CodeUndecodable},
	{name: "cut off", addr: 0x1000, code: nop8 + "e9 00", to: 0x2000, refused: CodeUndecodable},
	{name: "at the top", addr: 1<<64 - 16, code: nop8, to: 1<<64 - 4096, want: "e9 0b f0 ff ff"},
	{name: "over the top", addr: 1<<64 - 4, code: nop8, to: 0x1000, want: "e9 ff 0f 00 00"},
	{name: "at zero", addr: 0, code: nop8, to: 0x1000, want: "e9 fb 0f 00 00"},
}

func TestPlan(t *testing.T) {
	for _, tt := range plans {
		t.Run(tt.name, func(t *testing.T) {
			f := Function{Name: "f", Module: "m", Addr: tt.addr, Code: code(t, tt.code), Entries: tt.entries}
			got, err := Plan(f, tt.to)
			if tt.refused != "" {
				checkRefusal(t, err, tt.refused)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := code(t, tt.want); string(got.Bytes) != string(want) || got.At != tt.addr+tt.skip || got.To != tt.to {
				t.Errorf("% x at %#x, want % x at +%#x", got.Bytes, got.At, want, tt.skip)
			}
			if uint64(len(got.Bytes)) != got.Form.Size() {
				t.Errorf("%v has %d bytes", got.Form, len(got.Bytes))
			}
			if form, err := Jump(got.Form, got.At, got.To); err != nil || string(form.Bytes) != string(got.Bytes) {
				t.Errorf("Jump: %v, %v", form, err)
			}
		})
	}
}

func checkRefusal(t *testing.T, err error, want Code) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Code != want || !errors.Is(err, ErrRefused) {
		t.Fatalf("%v, want a refusal %s", err, want)
	}
	if r.Hint == "" || r.Message == "" || !strings.Contains(err.Error(), string(want)) {
		t.Errorf("incomplete refusal %+v", r)
	}
}

// TestDisassembly compares what trampolines are said to do with objdump.
func TestDisassembly(t *testing.T) {
	testenv.Need(t, "objdump")
	for _, tt := range plans {
		if tt.refused != "" || tt.addr > 1<<47 {
			continue
		}
		p, err := Plan(Function{Addr: tt.addr, Code: code(t, tt.code), Entries: tt.entries}, tt.to)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "code")
		if err := os.WriteFile(name, p.Bytes, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("objdump", "-D", "-bbinary", "-mi386:x86-64", "--adjust-vma="+strconv.FormatUint(p.At, 10), name).Output()
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(`(?m)^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t(.*)$`).FindStringSubmatch(string(out))
		if line == nil {
			t.Fatalf("objdump says\n%s", out)
		}
		words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
		want := words(line[1] + ": " + line[2] + " " + line[3])
		if got := words(p.Disassembly()); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, objdump says %q", tt.name, got, want)
		}
	}
	short := Trampoline{Form: JmpRel32, Bytes: []byte{0xe9}}
	if short.Disassembly() == "" || Form(7).String() == "" {
		t.Error("no text")
	}
	if _, err := Jump(Form(7), 0, 0); err == nil {
		t.Error("a form that does not exist")
	}
}

// FuzzPlan plans functions of any bytes.
func FuzzPlan(f *testing.F) {
	for _, tt := range plans {
		f.Add(tt.addr, tt.to, code(f, tt.code))
	}
	f.Fuzz(func(t *testing.T, addr, to uint64, b []byte) {
		p, err := Plan(Function{Addr: addr, Code: b}, to)
		if (err == nil) != (p != nil) {
			t.Fatalf("%v, %v", p, err)
		}
		if err != nil {
			checkRefusal(t, err, err.(*Refusal).Code)
			return
		}
		if p.At-addr+uint64(len(p.Bytes)) > uint64(len(b)) || p.Disassembly() == "" {
			t.Fatalf("%+v for %d bytes", p, len(b))
		}
	})
}

func ExamplePlan() {
	f := Function{
		Name: "price", Addr: 0x401130,
		Code: []byte{0xf3, 0x0f, 0x1e, 0xfa, 0x8d, 0x44, 0x7f, 0x07, 0x48, 0x98, 0xc3}, // endbr64; lea; cltq; ret
	}
	near, _ := Plan(f, 0x3ff000)
	fmt.Println(near.Form, "at", fmt.Sprintf("%#x", near.At))
	fmt.Println(strings.Join(strings.Fields(near.Disassembly()), " "))
	_, err := Plan(f, 0x7f0000000000)
	fmt.Println(errors.Is(err, ErrRefused), err.(*Refusal).Code)
	// Output:
	// jmp rel32 at 0x401134
	// 401134: e9 c7 de ff ff jmp 0x3ff000
	// true out-of-reach
}
