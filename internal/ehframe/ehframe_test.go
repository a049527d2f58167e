package ehframe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// record frames the body of a CIE or FDE: length, then the body padded to 4.
func record(body ...byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, opNop)
	}
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func concat(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

const base = 0x10000 // link address of the .eh_frame that frames makes

// frames makes a .eh_frame of a "zR" CIE, whose CFA is rsp+8 with the return
// address at CFA-8, and FDEs at 0x1000, 0x2000, ... of 0x100 bytes each.
func frames(programs ...[]byte) []byte {
	cie := record(0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, byte(PEPcrel|PESdata4),
		opDefCFA, RSP, 8, opOffset|RA, 1)
	b := cie
	for i, p := range programs {
		at := len(b) + 8
		start := uint32(0x1000*(i+1) - base - at)
		b = append(b, record(concat(u32(uint32(len(b)+4)), u32(start), u32(0x100), []byte{0}, p)...)...)
	}
	return append(b, 0, 0, 0, 0)
}

func table(t testing.TB, frame []byte) *Table {
	t.Helper()
	tab, err := New(Section{base, frame}, Section{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestRecords(t *testing.T) {
	// An object file: the addresses are relocations to come. The LSDA and
	// the personality are as gcc -fexceptions has them.
	cie := record(0, 0, 0, 0, 1, 'z', 'P', 'L', 'R', 0, 1, 0x78, 16, 7, 0x9b, 0, 0, 0, 0, 0x1b, 0x1b,
		opDefCFA, RSP, 8, opOffset|RA, 1)
	fde := record(concat(u32(uint32(len(cie)+4)), u32(0), u32(0x20), []byte{4}, u32(0), []byte{opAdvanceLoc | 1})...)
	plain := record(0, 0, 0, 0, 1, 0, 1, 0x78, 16)
	b := concat(cie, fde, plain, []byte{0, 0, 0, 0}, []byte("beyond the terminator"))
	var got []Record
	for r, err := range Records(b) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	n := uint64(len(cie))
	want := []Record{
		{Offset: 0, Length: n, IsCIE: true, Augmentation: "zPLR", PCEnc: 0x1b, LSDAEnc: 0x1b,
			PersonalityEnc: 0x9b, Personality: 19, Instructions: 25},
		{Offset: n, Length: uint64(len(fde)), CIE: 0, Augmentation: "zPLR", PCEnc: 0x1b, LSDAEnc: 0x1b,
			PersonalityEnc: 0x9b, PCBegin: n + 8, PCRange: n + 12, LSDA: n + 17, Instructions: n + 21},
		{Offset: n + uint64(len(fde)), Length: uint64(len(plain)), IsCIE: true, CIE: n + uint64(len(fde)),
			LSDAEnc: PEOmit, PersonalityEnc: PEOmit, Instructions: n + uint64(len(fde)) + 13},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRecordsObject finds a relocation at every field that has an address.
func TestRecordsObject(t *testing.T) {
	testenv.Need(t, "g++")
	dir := t.TempDir()
	src, obj := filepath.Join(dir, "x.cc"), filepath.Join(dir, "x.o")
	const source = `struct S { ~S(); }; void g(); int f(int x) { S s; try { g(); } catch (int i) { return i; } return x; } void h() { S s; g(); }`
	if err := os.WriteFile(src, []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, flags := range []string{"-O2", "-fPIC"} {
		if out, err := exec.Command("g++", flags, "-c", "-o", obj, src).CombinedOutput(); err != nil {
			t.Fatalf("g++: %v\n%s", err, out)
		}
		f, err := elfobj.Open(obj)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fields := make(map[uint64]string)
		for s := range f.SectionsNamed(frameName) {
			b, err := s.Data()
			if err != nil {
				t.Fatal(err)
			}
			for r, err := range Records(b) {
				if err != nil {
					t.Fatal(err)
				}
				note := func(off uint64, name string) {
					if off != 0 {
						fields[off] = name
					}
				}
				note(r.PCBegin, "pc_begin")
				note(r.Personality, "personality")
				if r.LSDA != 0 {
					note(r.LSDA, "LSDA")
				}
			}
			relas, err := f.Relas(s.Index)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range relas {
				if fields[r.Offset] == "" {
					t.Errorf("%s: relocation at %#x is in no field", flags, r.Offset)
				}
				delete(fields, r.Offset)
			}
		}
		// A function without landing pads has no LSDA.
		for off, name := range fields {
			if name != "LSDA" {
				t.Errorf("%s: no relocation at the %s at %#x", flags, name, off)
			}
		}
	}
}

func TestBadRecords(t *testing.T) {
	good := frames(nil)
	for _, c := range []struct {
		name string
		b    []byte
		off  uint64
	}{
		{"truncated length", []byte{1, 2}, 0},
		{"truncated 64-bit length", []byte{0xff, 0xff, 0xff, 0xff, 1}, 0},
		{"beyond the end", []byte{8, 0, 0, 0, 0, 0, 0, 0}, 0},
		{"huge 64-bit length", concat([]byte{0xff, 0xff, 0xff, 0xff}, make([]byte, 4), []byte{0xff, 0xff, 0xff, 0xff}), 0},
		{"too short", []byte{2, 0, 0, 0, 0, 0}, 0},
		{"CIE before the section", record(9, 0, 0, 0), 4},
		{"FDE that is its own CIE", record(4, 0, 0, 0), 0},
		{"version", record(0, 0, 0, 0, 9, 0, 1, 0x78, 16), 8},
		{"augmentation", record(0, 0, 0, 0, 1, 'e', 'h', 0, 1, 0x78, 16), 8},
		{"long augmentation", record(0, 0, 0, 0, 1, 'S', 'S', 'S', 'S', 'S', 'S', 'S', 'S', 'S', 'S', 0), 9},
		{"CIE cut short", record(0, 0, 0, 0, 1, 'z'), 12},
		{"augmentation length", record(0, 0, 0, 0, 1, 'z', 0, 1, 0x78, 16, 100), 15},
		{"augmentation overrun", record(0, 0, 0, 0, 1, 'z', 'P', 0, 1, 0x78, 16, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8), 25},
		{"FDE cut short", concat(good[:len(good)-4][:24], record(28, 0, 0, 0, 1)), 0},
		{"FDE augmentation", concat(good[:24], record(28, 0, 0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 200)), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			for _, err = range Records(c.b) {
			}
			var fe *FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("got %v, want a FormatError", err)
			}
			if c.off != 0 && fe.Offset != c.off {
				t.Errorf("at %#x, want %#x: %v", fe.Offset, c.off, err)
			}
		})
	}
}

func TestLEB(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		u    uint64
		s    int64
		ubad bool
		sbad bool
	}{
		{[]byte{0}, 0, 0, false, false},
		{[]byte{0x7f}, 127, -1, false, false},
		{[]byte{0x80, 0x01}, 128, 128, false, false},
		{[]byte{0x80, 0x7f}, 0x3f80, -128, false, false},
		{[]byte{0xff, 0x80, 0x00}, 127, 127, false, false},
		{[]byte{0x80}, 0, 0, true, true},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, ^uint64(0), 0, false, true},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, 0, -1 << 63, true, false},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02}, 0, 0, true, true},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 0, 0, false, false},
		{[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 0, -1, true, false},
	} {
		cu, cs := cursor{b: c.b}, cursor{b: c.b}
		if u := cu.uleb(); (cu.bad != "") != c.ubad || !c.ubad && u != c.u {
			t.Errorf("uleb(%x) = %d, %q; want %d", c.b, u, cu.bad, c.u)
		}
		if s := cs.sleb(); (cs.bad != "") != c.sbad || !c.sbad && s != c.s {
			t.Errorf("sleb(%x) = %d, %q; want %d", c.b, s, cs.bad, c.s)
		}
	}
}

// TestSearch finds the same by the search table and by the index.
func TestSearch(t *testing.T) {
	frame := frames(nil, nil, nil)
	var entries []byte
	plain := table(t, frame)
	const hdrAddr = 0x8000
	n := uint32(0)
	for f, err := range plain.FDEs() {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, u32(uint32(f.Start-hdrAddr))...)
		entries = append(entries, u32(uint32(base+f.Offset-hdrAddr))...)
		n++
	}
	header := concat([]byte{1, byte(PEPcrel | PESdata4), byte(PEUdata4), byte(PEDatarel | PESdata4)},
		u32(base-hdrAddr-4), u32(n), entries)
	const bias = 0x7f0000000000
	fast, err := New(Section{base, frame}, Section{hdrAddr, header}, bias)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pc    uint64
		start uint64 // 0 for none
	}{{0, 0}, {0xfff, 0}, {0x1000, 0x1000}, {0x10ff, 0x1000}, {0x1100, 0}, {0x2050, 0x2000}, {0x30ff, 0x3000}, {0x3100, 0}, {^uint64(0), 0}} {
		for name, tab := range map[string]*Table{"index": plain, "search": fast} {
			f, err := tab.Lookup(c.pc + tab.bias)
			if c.start == 0 && err != NoFDE || c.start != 0 && (err != nil || f.Start != c.start) {
				t.Errorf("%s: Lookup(%#x) = %#x, %v; want %#x", name, c.pc, f.Start, err, c.start)
			}
		}
	}
	// Damaged tables.
	for _, c := range []struct {
		name string
		at   int
		to   byte
	}{{"version", 0, 2}, {"no frame", 1, byte(PEOmit)}, {"indirect", 1, 0x9b}, {"count", 11, 1}, {"other frame", 4, 0}} {
		bad := append([]byte(nil), header...)
		bad[c.at] = c.to
		var fe *FormatError
		if _, err := New(Section{base, frame}, Section{hdrAddr, bad}, 0); !errors.As(err, &fe) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	bad := append([]byte(nil), header...)
	copy(bad[16:], u32(0x7fffffff)) // the first entry's FDE
	tab, err := New(Section{base, frame}, Section{hdrAddr, bad}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var fe *FormatError
	if _, err := tab.Lookup(0x1000); !errors.As(err, &fe) || fe.Section != hdrName || fe.Offset != 12 {
		t.Errorf("Lookup: %v", err)
	}
}

// fakeMemory stands in for a process.
type fakeMemory struct {
	addr uint64
	data []byte
}

func (m fakeMemory) ReadAddr(p []byte, addr uint64) (int, error) {
	if addr < m.addr || addr-m.addr > uint64(len(m.data)) || uint64(len(p)) > uint64(len(m.data))-(addr-m.addr) {
		return 0, fmt.Errorf("nothing at %#x", addr)
	}
	return copy(p, m.data[addr-m.addr:]), nil
}

// words makes memory of 64-bit words.
func words(addr uint64, list ...uint64) fakeMemory {
	m := fakeMemory{addr: addr}
	for _, w := range list {
		m.data = binary.LittleEndian.AppendUint64(m.data, w)
	}
	return m
}

// TestLanding reads an exception table of gcc: a function that catches one type, and
// one that only cleans up.
func TestLanding(t *testing.T) {
	const at, base = 0x1000, 0x4000
	for _, c := range []struct {
		name string
		b    []byte
		want Landing
		ok   bool
	}{
		{"catches", []byte{0xff, 0x9b, 21, 1, 8, 0x10, 5, 0x40, 1, 0x20, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, Landing{at, at + 24, []uint64{base + 0x40}}, true},
		{"cleans up", []byte{0xff, 0xff, 1, 4, 0x10, 5, 0x40, 0}, Landing{at, at + 8, []uint64{base + 0x40}}, true},
		{"cut off", []byte{0xff, 0xff, 1, 9, 0x10}, Landing{}, false},
		{"empty", nil, Landing{}, false},
	} {
		got, ok := landing(sliceMemory{at, c.b}, at, base)
		if ok != c.ok || ok && !cmp.Equal(got, c.want) {
			t.Errorf("%s: %+v, %v", c.name, got, ok)
		}
	}
}

// sliceMemory is memory that holds bytes at an address.
type sliceMemory struct {
	addr uint64
	b    []byte
}

func (m sliceMemory) ReadAddr(p []byte, addr uint64) (int, error) {
	if addr < m.addr || addr-m.addr > uint64(len(m.b)) {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, m.b[addr-m.addr:])
	if n < len(p) {
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}
