package amd64

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// An encodingRow is one instruction that kernels, libraries or compilers use
// and that is easy to get wrong. text is objdump's, standing at address 0.
type encodingRow struct {
	hex        string
	class      Class
	pcrel, imm span // offset and length of the field
	text       string
}

type span struct{ off, length uint8 }

func (r *encodingRow) bytes(t testing.TB) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(r.hex, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func allEncodings() []encodingRow {
	return append(append([]encodingRow(nil), flowEncodings...), otherEncodings...)
}

func TestDecodeTable(t *testing.T) {
	for _, row := range allEncodings() {
		b := row.bytes(t)
		in, err := Decode(b)
		if err != nil {
			t.Errorf("%s: %v", row.hex, err)
			continue
		}
		got := encodingRow{row.hex, in.Class, span{in.PCRelOff, in.PCRelLen}, span{in.ImmOff, in.ImmLen}, row.text}
		if int(in.Len) != len(b) || got != row {
			t.Errorf("%s: length %d of %d\n got %+v\nwant %+v", row.hex, in.Len, len(b), got, row)
		}
	}
}

// otherText has the rows of which our text is not that of objdump.
var otherText = map[string]string{
	// AMD's extensions that are gone from processors, and AVX512-FP16: bytes.
	"8f e9 78 80 c1":             ".byte 0x8f,0xe9,0x78,0x80,0xc1",
	"8f e8 78 c2 c1 05":          ".byte 0x8f,0xe8,0x78,0xc2,0xc1,0x05",
	"8f ea 78 10 c0 04 03 02 01": ".byte 0x8f,0xea,0x78,0x10,0xc0,0x04,0x03,0x02,0x01",
	"c4 e3 f9 68 c2 10":          ".byte 0xc4,0xe3,0xf9,0x68,0xc2,0x10",
	"0f 0f c1 9e":                ".byte 0x0f,0x0f,0xc1,0x9e",
	"f2 0f 78 c1 04 08":          ".byte 0xf2,0x0f,0x78,0xc1,0x04,0x08",
	"66 0f 78 c0 04 08":          ".byte 0x66,0x0f,0x78,0xc0,0x04,0x08",
	"62 f5 7c 48 58 c1":          ".byte 0x62,0xf5,0x7c,0x48,0x58,0xc1",
	// objdump finds no use for the REX.W that makes it ljmpq.
	"48 ff 28": "ljmp *(%rax)",
}

// TestDisasmTable checks our text of the rows; columns are not significant.
func TestDisasmTable(t *testing.T) {
	for _, row := range allEncodings() {
		b := row.bytes(t)
		got := plain(Disasm(b, 0, nil))
		in, _ := Decode(b)
		if in.IsBranch() {
			got = strings.Replace(got, " 0x", " ", 1)
		}
		want := row.text
		if s, ok := otherText[row.hex]; ok {
			want = s
		}
		if got != want {
			t.Errorf("% x: %q, want %q", b, got, want)
		}
	}
}

// TestDisasmObjdump demands that the text of real code is that of objdump but
// for one instruction in a thousand.
func TestDisasmObjdump(t *testing.T) {
	const libc = "/lib/x86_64-linux-gnu/libc.so.6"
	if _, err := os.Stat(libc); err != nil {
		testenv.Skip(t, "%v", err)
	}
	total, differ := 0, 0
	objdump(t, func(l *line) error {
		in, err := Decode(l.bytes)
		if err != nil || bytes.Contains(l.text, []byte("(bad)")) {
			return nil
		}
		got, want := plain(Disasm(l.bytes, l.addr, nil)), plain(string(l.text))
		if in.IsBranch() {
			got = strings.Replace(got, " 0x", " ", 1)
		}
		if total++; got != want {
			if differ++; differ <= 10 {
				t.Logf("% x: %q, objdump has %q", l.bytes, got, want)
			}
		}
		if total == 100_000 {
			return errEnough
		}
		return nil
	}, "-d", libc)
	t.Logf("%d of %d differ", differ, total)
	if differ*1000 > total {
		t.Errorf("more than 1 in 1000")
	}
}

// TestDisasm checks what the tables do not: symbols, and what can't be decoded.
func TestDisasm(t *testing.T) {
	sym := func(a uint64) (string, uint64, bool) { return "main", a - 0x1000, a >= 0x1000 && a < 0x2000 }
	for _, test := range []struct {
		code, want string
	}{
		{"\xe8\xfb\x0f\x00\x00", "call   0x1000 <main>"},
		{"\xe8\x0b\x10\x00\x00", "call   0x1010 <main+0x10>"},
		{"\x75\x10", "jne    0x12"},
		{"\x48\x8b\x05\x01\x10\x00\x00", "mov    0x1001(%rip),%rax        # 0x1008 <main+0x8>"},
		{"\xf3\x0f\x1e", ".byte 0xf3"},
		{"\xf2\x0f\x00\xf7", "lkgs   %edi"}, // newer than binutils 2.40
		{"\x06", ".byte 0x06"},
		{"", ".byte"},
	} {
		if got := Disasm([]byte(test.code), 0, sym); got != test.want {
			t.Errorf("% x: %q, want %q", test.code, got, test.want)
		}
	}
}

// plain takes columns, comments and symbols out of a line.
func plain(s string) string {
	s, _, _ = strings.Cut(s, "#")
	s, _, _ = strings.Cut(s, "<")
	return strings.Join(strings.Fields(s), " ")
}

// TestEncodingTableObjdump checks that the rows say what objdump says.
func TestEncodingTableObjdump(t *testing.T) {
	rows := allEncodings()
	const slot = 32
	image := bytes.Repeat([]byte{0x90}, slot*len(rows))
	for i := range rows {
		copy(image[i*slot:], rows[i].bytes(t))
	}
	name := filepath.Join(t.TempDir(), "rows.bin")
	if err := os.WriteFile(name, image, 0o666); err != nil {
		t.Fatal(err)
	}
	objdump(t, func(l *line) error {
		if l.addr%slot != 0 {
			return nil
		}
		row := &rows[l.addr/slot]
		got, want := plain(string(l.text)), plain(row.text)
		b := row.bytes(t)
		in, err := Decode(b)
		if target, ok := in.Target(b, l.addr); ok && err == nil {
			here, _ := in.Target(b, 0)
			want = strings.Replace(want, fmt.Sprintf("%x", here), fmt.Sprintf("0x%x", target), 1)
		}
		if len(l.bytes) != len(b) || got != want {
			t.Errorf("%s: objdump has %d bytes, %q; the row says %d, %q", row.hex, len(l.bytes), got, len(b), want)
		}
		return nil
	}, "-D", "-b", "binary", "-m", "i386:x86-64", name)
}
