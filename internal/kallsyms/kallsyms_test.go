package kallsyms

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// build makes tables as scripts/kallsyms.c does, with something in front of them.
type build struct {
	layout Layout
	seqs   bool
	percpu bool // CONFIG_KALLSYMS_ABSOLUTE_PERCPU
	base   uint64
	syms   []Symbol
}

const buildAddr = 0xffffffff82000010

type writer struct {
	b      []byte
	layout Layout
}

func (w *writer) align() {
	for (buildAddr+uint64(len(w.b)))%uint64(w.layout.align()) != 0 {
		w.b = append(w.b, 0)
	}
}

func (b build) tokens() (table, index []byte) {
	for i := range tokens {
		index = binary.LittleEndian.AppendUint16(index, uint16(len(table)))
		switch c := byte(i); {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '.':
			table = append(table, c)
		case i == 1:
			table = append(table, "sys_"...)
		case i == 200:
			table = append(table, "tsys_"...)
		case i%3 == 0: // not used
		default:
			table = fmt.Appendf(table, "tok%d", i)
		}
		table = append(table, 0)
	}
	return table, index
}

func (b build) names() (names []byte, markers []byte) {
	for i, s := range b.syms {
		if i%markerStep == 0 {
			markers = binary.LittleEndian.AppendUint32(markers, uint32(len(names)))
		}
		text := string(s.Type) + s.Name
		text = strings.ReplaceAll(text, "tsys_", "\xc8")
		text = strings.ReplaceAll(text, "sys_", "\x01")
		if n := len(text); n < 0x80 {
			names = append(names, byte(n))
		} else {
			names = append(names, byte(n)|0x80, byte(n>>7))
		}
		names = append(names, text...)
	}
	return names, markers
}

func (b build) bytes() []byte {
	var offsets, seqs []byte
	for i, s := range b.syms {
		off := uint32(s.Addr - b.base)
		if b.percpu {
			if off = uint32(s.Addr); s.Addr >= b.base {
				off = uint32(b.base - 1 - s.Addr)
			}
		}
		offsets = binary.LittleEndian.AppendUint32(offsets, off)
		seqs = append(seqs, byte(i>>16), byte(i>>8), byte(i))
	}
	if !b.seqs {
		seqs = nil
	}
	names, markers := b.names()
	table, index := b.tokens()
	base := binary.LittleEndian.AppendUint64(nil, b.base)
	count := binary.LittleEndian.AppendUint32(nil, uint32(len(b.syms)))
	order := [][]byte{offsets, base, count, names, markers, seqs, table, index}
	switch b.layout {
	case NamesFirst:
		order = [][]byte{count, names, markers, table, index, offsets, base, seqs}
	case NoBase:
		order = [][]byte{count, names, markers, table, index, offsets, seqs}
	}
	w := writer{[]byte("something else, such as 0\x001\x002\x00, and strings\x00"), b.layout}
	for i, part := range order {
		if part != nil {
			w.align()
			if b.layout == NoBase && i == 5 { // from where they stand
				for k, s := range b.syms {
					binary.LittleEndian.PutUint32(part[4*k:], uint32(s.Addr-buildAddr-uint64(len(w.b)+4*k)))
				}
			}
			w.b = append(w.b, part...)
		}
	}
	w.align()
	return append(w.b, "what follows"...)
}

// samples makes n symbols by address.
func samples(n int, percpu bool) []Symbol {
	const base = 0xffffffff81000000
	var list []Symbol
	for i := range n {
		s := Symbol{Name: fmt.Sprintf("sys_%d.part.%d", i, i%7), Addr: base + uint64(i/2)*16, Type: "tTdDbBrRwA"[i%10]}
		if percpu && i < n/10 {
			s = Symbol{Name: fmt.Sprintf("percpu_%d", i), Addr: uint64(i) * 8, Type: 'A'}
		}
		if i == n/2 {
			s.Name = strings.Repeat("long_", 60)
		}
		list = append(list, s)
	}
	return list
}

func TestFind(t *testing.T) {
	for _, layout := range layouts {
		for _, seqs := range []bool{false, true} {
			for _, percpu := range []bool{false, true} {
				if layout == NoBase && percpu {
					continue // there are no such addresses any more
				}
				for _, n := range []int{1, 2, 255, 256, 257, 1001} {
					b := build{layout, seqs, percpu, 0xffffffff81000000, samples(n, percpu)}
					name := fmt.Sprintf("%d seqs=%v percpu=%v %d", layout, seqs, percpu, n)
					got, err := Find(b.bytes(), buildAddr)
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					if got.Layout != layout || got.Seqs != seqs && layout == OffsetsFirst || got.Base != b.base {
						t.Errorf("%s: %d %v %#x", name, got.Layout, got.Seqs, got.Base)
					}
					if diff := cmp.Diff(b.syms, got.Symbols); diff != "" {
						t.Errorf("%s (-want +got):\n%.800s", name, diff)
					}
				}
			}
		}
	}
}

// TestSlid: the kernel relocates kallsyms_relative_base and nothing else.
func TestSlid(t *testing.T) {
	const slide = 0x2da00000
	b := build{NamesFirst, true, true, 0xffffffff81000000, samples(600, true)}
	data := b.bytes()
	i := bytes.Index(data, binary.LittleEndian.AppendUint64(nil, b.base))
	binary.LittleEndian.PutUint64(data[i:], b.base+slide)
	got, err := Find(data, buildAddr)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range got.Symbols {
		want := b.syms[i].Addr
		if want >= b.base {
			want += slide
		}
		if s.Addr != want {
			t.Fatalf("%s at %#x, want %#x", s.Name, s.Addr, want)
		}
	}
}

// TestFindDamaged: no damage goes unnoticed that changes how many symbols there
// are, and none leads to a panic.
func TestFindDamaged(t *testing.T) {
	for _, layout := range layouts {
		b := build{layout, true, true, 0xffffffff81000000, samples(300, true)}
		data := b.bytes()
		for i := range data {
			c := slices.Clone(data)
			c[i] ^= 0x55
			if got, err := Find(c, buildAddr); err == nil && len(got.Symbols) != len(b.syms) {
				t.Errorf("layout %d, byte %#x: %d symbols", layout, i, len(got.Symbols))
			}
			_, _ = Find(data[:i], buildAddr)
		}
	}
	if _, err := Find([]byte("nothing"), 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
}

func TestFindOrder(t *testing.T) {
	b := build{OffsetsFirst, false, true, 0xffffffff81000000, samples(300, true)}
	b.syms[100], b.syms[200] = b.syms[200], b.syms[100]
	var e *Error
	if _, err := Find(b.bytes(), buildAddr); !errors.As(err, &e) || !strings.Contains(err.Error(), "comes after") {
		t.Errorf("symbols out of order: %v", err)
	}
}

// TestFindHostile: much that looks like tables takes little time.
func TestFindHostile(t *testing.T) {
	var digits []byte
	for range 48 {
		digits = append(digits, "x\x00"...)
	}
	for c := byte('0'); c <= '9'; c++ {
		digits = append(digits, c, 0)
	}
	b := bytes.Repeat(digits, 1<<14)
	if _, err := Find(b, 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

const text = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _text
ffffffff81000000 T startup_64
ffffffff8100a0b0 t same
ffffffff8100a0c0 t same
ffffffffc0201000 t dummy_init	[dummy]
ffffffffc0202000 T dummy_export	[dummy]
ffffffffc0300000 t bpf_prog_6deef7357e7b4530	[bpf]
ffffffffc0301000 t ftrace_trampoline	[__builtin__ftrace]
`

var textSymbols = []Symbol{
	{"fixed_percpu_data", 0, 'A', ""},
	{"_text", 0xffffffff81000000, 'T', ""},
	{"startup_64", 0xffffffff81000000, 'T', ""},
	{"same", 0xffffffff8100a0b0, 't', ""},
	{"same", 0xffffffff8100a0c0, 't', ""},
	{"dummy_init", 0xffffffffc0201000, 't', "dummy"},
	{"dummy_export", 0xffffffffc0202000, 'T', "dummy"},
	{"bpf_prog_6deef7357e7b4530", 0xffffffffc0300000, 't', "bpf"},
	{"ftrace_trampoline", 0xffffffffc0301000, 't', "__builtin__ftrace"},
}

func TestParse(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text), "no newline": strings.NewReader(strings.TrimSuffix(text, "\n")),
		"bytes": iotest.OneByteReader(strings.NewReader(text)), "CRLF": strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n\r\n")),
	} {
		got, err := Parse(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(textSymbols, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"ffffffff81000000 T\n", "line at 0x1: 2 fields"},
		{text + "ffffffff81000000 T a [b] c\n", "line at 0xa: 5 fields"},
		{"xyz T a", `"xyz" is no address`},
		{"123456789012345678 T a", "is no address"},
		{"1 TT a", `"TT" is no type`},
		{"1 7 a", `"7" is no type`},
		{"1 T a b", `"b" is no module`},
		{"1 T a []", `"[]" is no module`},
		{"1 T " + strings.Repeat("a", 2000), "a name of 2000 bytes"},
		{"1 T " + strings.Repeat("a", 1<<17), "too long"},
		{"\x7fELF\x02\x01\x01", "1 fields"},
	} {
		_, err := Parse(strings.NewReader(tt.in))
		if e := new(Error); !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: %v, want %s", tt.in, err, tt.want)
		}
	}
	if _, err := Parse(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a reader's error: %v", err)
	}
}

func FuzzFind(f *testing.F) {
	for _, b := range []build{
		{OffsetsFirst, false, true, 0xffffffff81000000, samples(20, true)},
		{OffsetsFirst, true, true, 0xffffffff81000000, samples(20, true)},
		{NamesFirst, true, false, 0xffffffff81000000, samples(20, false)},
	} {
		f.Add(b.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Find(b, buildAddr)
		if err != nil {
			return
		}
		size := 0
		for i, s := range got.Symbols {
			if s.Name == "" || i > 0 && s.Addr < got.Symbols[i-1].Addr {
				t.Errorf("symbol %d: %+v", i, s)
			}
			size += len(s.Name)
		}
		if len(got.Symbols) > len(b) || size > maxExpansion*len(b) {
			t.Errorf("%d symbols, %d bytes of names from %d bytes", len(got.Symbols), size, len(b))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(text)
	f.Add("1 T a b")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := Parse(strings.NewReader(in))
		if err != nil {
			return
		}
		var out strings.Builder
		for _, s := range got {
			fmt.Fprintf(&out, "%016x %c %s", s.Addr, s.Type, s.Name)
			if s.Module != "" {
				fmt.Fprintf(&out, "\t[%s]", s.Module)
			}
			out.WriteByte('\n')
		}
		again, err := Parse(strings.NewReader(out.String()))
		if err != nil || !slices.Equal(got, again) {
			t.Errorf("%q: %v", in, err)
		}
	})
}
