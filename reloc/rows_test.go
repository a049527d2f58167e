package reloc

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// rowsKernel makes a kernel that has f, and tables with the rows that are given:
// two addresses and a word each.
func rowsKernel(t *testing.T, f string, bugs, faults []image.Row) *image.Image {
	t.Helper()
	const rodata, file = kernelText + 0x10000, kernelText + 0x12000
	text, data := make([]byte, 0x4000), make([]byte, 0x3000)
	copy(text, code(t, f, kernelText))
	copy(data[file-rodata:], "mm/file.c\x00mm/other.c\x00")
	symbols := []image.Symbol{
		{Name: "f", Addr: kernelText, Type: elf.STT_FUNC, Size: uint64(len(code(t, f, kernelText)))},
		{Name: "near", Addr: kernelText + 0x40, Type: elf.STT_FUNC, Local: true},
	}
	at := uint64(rodata)
	for k, rows := range [prove.RowKinds][]image.Row{bugs, faults} {
		symbols = append(symbols, image.Symbol{Name: prove.RowTables[k].Table.Bounds.Start, Addr: at})
		for _, r := range rows {
			e := data[at-rodata:]
			binary.LittleEndian.PutUint32(e, uint32(r.At-at))
			binary.LittleEndian.PutUint32(e[4:], uint32(r.Second-at-4))
			binary.LittleEndian.PutUint32(e[8:], r.Data)
			if r.Third != 0 {
				binary.LittleEndian.PutUint32(e[8:], uint32(r.Third-at-8))
			}
			at += image.RowSize
		}
		symbols = append(symbols, image.Symbol{Name: prove.RowTables[k].Table.Bounds.Stop, Addr: at})
		at += 16
	}
	mem, err := image.NewSegments(image.Segment{Addr: kernelText, Data: text}, image.Segment{Addr: rodata, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.NewImage(mem, []image.Region{
		{Start: kernelText, End: kernelText + 0x4000, Read: true, Exec: true, Volatile: true},
		{Start: rodata, End: rodata + 0x3000, Read: true},
	}, nil, symbols)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func row(at, second uint64, data uint32) image.Row {
	return image.Row{At: at, Second: second, Data: data}
}

// TestRows compares rows about bugs and faults with those of a kernel: lines and
// what was given once may differ, and nothing else.
func TestRows(t *testing.T) {
	const file, other = kernelText + 0x12000, kernelText + 0x1200a
	const code = "0f0b 90 8b07 c3 31c0 c3" // ud2; nop; mov (%rdi),%eax; ret; xor %eax,%eax; ret
	pre := kernelObject(t, code, nil,
		table{name: ".rodata.str1.1", bytes: "6d6d2f66696c652e6300", strings: true},
		table{name: "__bug_table", bytes: "0000000000000000 2a00 0309", relos: []relo{{0, pc32, ".text.f", 0}, {4, pc32, ".rodata.str1.1", 0}}},
		table{name: "__ex_table", bytes: "0000000000000000 03000000", relos: []relo{{0, pc32, ".text.f", 3}, {4, pc32, ".text.f", 6}}},
	)
	bug, fault := row(kernelText, file, 0x0903_002a), row(kernelText+3, kernelText+6, 3)
	for _, tt := range []struct {
		name          string
		bugs, faults  []image.Row
		want          Verdict
		off, inRunOff uint64
	}{
		{"as in pre", []image.Row{bug}, []image.Row{fault}, Matched, 0, 0},
		{"among others", []image.Row{row(kernelText+0x100, other, 1), bug, row(kernelText+0x48, other, 1)}, []image.Row{fault}, Matched, 0, 0},
		{"another line", []image.Row{row(bug.At, file, 0x0903_0077)}, []image.Row{fault}, Matched, 0, 0},
		{"given once", []image.Row{row(bug.At, file, 0x0907_002a)}, []image.Row{fault}, Matched, 0, 0},
		{"other flags", []image.Row{row(bug.At, file, 0x0901_002a)}, []image.Row{fault}, Mismatch, 0, 0},
		{"another file", []image.Row{row(bug.At, other, bug.Data)}, []image.Row{fault}, Mismatch, 0, 0},
		{"no file", []image.Row{row(bug.At, 0x1000, bug.Data)}, []image.Row{fault}, Mismatch, 0, 0},
		{"no bug", []image.Row{row(kernelText+0x48, file, 1)}, []image.Row{fault}, Mismatch, 0, 0},
		{"one bug more", []image.Row{bug, row(kernelText+2, file, 1)}, []image.Row{fault}, Mismatch, 0, 2},
		{"no fault", []image.Row{bug}, []image.Row{row(kernelText+0x48, kernelText+0x49, 3)}, Mismatch, 3, 3},
		{"another fixup", []image.Row{bug}, []image.Row{row(fault.At, kernelText+5, 3)}, Mismatch, 3, 3},
		{"another way to go on", []image.Row{bug}, []image.Row{row(fault.At, fault.Second, 4)}, Mismatch, 3, 3},
		{"no tables", nil, nil, Matched, 0, 0},
		{"a table of something else", []image.Row{bug, row(0x1000, file, 1)}, []image.Row{fault}, Matched, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := mustMatch(t, pre, rowsKernel(t, code, tt.bugs, tt.faults), Options{}).Functions[0]
			if f.Verdict != tt.want {
				t.Fatalf("%v, want %v: %v", f.Verdict, tt.want, f.Mismatch)
			}
			if e := f.Mismatch; e != nil && (e.Reason != ReasonTable || e.Offset != tt.off || e.RunOffset != tt.inRunOff) {
				t.Errorf("%v at +%#x, in run +%#x, want %v at +%#x, +%#x: %v", e.Reason, e.Offset, e.RunOffset, ReasonTable, tt.off, tt.inRunOff, e)
			}
		})
	}
}

// TestRowsWithHandler: until Linux 5.15 a row about a fault has the address of what handles it,
// which is the symbol that pre says it is.
func TestRowsWithHandler(t *testing.T) {
	const code, run = "e800000000 8b07 c3 31c0 c3", "e83b000000 8b07 c3 31c0 c3" // call handler; mov (%rdi),%eax; ret; xor %eax,%eax; ret
	for _, c := range []struct {
		name   string
		addend int64 // of the handler in pre
		row    image.Row
		want   Verdict
	}{
		{"as in pre", 0, image.Row{At: kernelText + 5, Second: kernelText + 8, Third: kernelText + 0x40}, Matched},
		{"another handler", 0, image.Row{At: kernelText + 5, Second: kernelText + 8, Third: kernelText + 0x48}, Mismatch},
		{"another fixup", 0, image.Row{At: kernelText + 5, Second: kernelText + 7, Third: kernelText + 0x40}, Mismatch},
		{"another place", 0, image.Row{At: kernelText + 7, Second: kernelText + 8, Third: kernelText + 0x40}, Mismatch},
		{"inside, as in pre", 4, image.Row{At: kernelText + 5, Second: kernelText + 8, Third: kernelText + 0x44}, Matched},
		{"inside, elsewhere", 4, image.Row{At: kernelText + 5, Second: kernelText + 8, Third: kernelText + 0x40}, Mismatch},
	} {
		pre := kernelObject(t, code, []relo{{1, pc32, "near", -4}},
			table{name: "__ex_table", bytes: "000000000000000000000000", relos: []relo{{0, pc32, ".text.f", 5}, {4, pc32, ".text.f", 8}, {8, pc32, "near", c.addend}}})
		f := mustMatch(t, pre, rowsKernel(t, run, nil, []image.Row{c.row}), Options{}).Functions[0]
		if f.Verdict != c.want {
			t.Errorf("%s: %v, want %v: %v", c.name, f.Verdict, c.want, f.Mismatch)
		}
	}
}

// changed is memory in which four bytes are others.
type changed struct {
	image.Memory
	at uint64
	is uint32
}

func (c *changed) ReadAddr(p []byte, addr uint64) error {
	if err := c.Memory.ReadAddr(p, addr); err != nil {
		return err
	}
	for i := range uint64(4) {
		if off := c.at + i - addr; off < uint64(len(p)) {
			p[off] = byte(c.is >> (8 * i))
		}
	}
	return nil
}

// TestStockRows changes rows of a stock kernel: functions of real objects no longer
// match when what a row says is another thing, and still do when it is the line.
func TestStockRows(t *testing.T) {
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) {
			k := vmtest.Need(t, series)
			vmlinux, err := k.Vmlinux(vmtest.Context(t))
			if errors.Is(err, deb.ErrUnavailable) {
				testenv.Skip(t, "%v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			img, checked := mustOpenKernel(t, vmlinux), [prove.RowKinds]int{}
			for _, source := range []string{"mm/memory.c", "kernel/signal.c"} {
				path, err := kbuild.Need(t, k).Compile(t.Context(), source)
				if err != nil {
					t.Fatal(err)
				}
				pre := mustOpen(t, path)
				r := mustMatch(t, pre, img, Options{})
				rows := prove.FindRows(pre)
				for id := range pre.Functions() {
					f := r.Func(id)
					if f == nil || f.Verdict != Matched {
						continue
					}
					for i, row := range rows[id] {
						if checked[row.Table]++; i == 0 && checked[row.Table] <= 4 { // the others are only counted
							flipRow(t, pre, img, f, row)
						}
					}
				}
			}
			t.Logf("%d rows about bugs and %d about faults compared", checked[0], checked[1])
			if checked[0] == 0 || checked[1] == 0 {
				t.Error("that is too few")
			}
		})
	}
}

// flipRow changes each part of the row of run that is about the same place.
func flipRow(t *testing.T, pre *object.Object, img *image.Image, f *FuncResult, row prove.CodeRow) {
	t.Helper()
	at, start := f.Address+f.RunOffset(row.Off), img.Lookup(prove.RowTables[row.Table].Table.Bounds.Start)[0].Addr
	end := img.Lookup(prove.RowTables[row.Table].Table.Bounds.Stop)[0].Addr
	b := make([]byte, end-start)
	if err := img.ReadAddr(b, start); err != nil {
		t.Fatal(err)
	}
	for off := 0; off < len(b); off += image.RowSize {
		if start+uint64(off)+uint64(int64(int32(binary.LittleEndian.Uint32(b[off:])))) != at {
			continue
		}
		for _, c := range []struct {
			field  int
			by     uint32
			wanted Verdict
			bug    bool // of bugs only
		}{{0, 1, Mismatch, false}, {4, 1, Mismatch, false}, {8, 1 << 17, Mismatch, false}, {8, 1, Matched, true}, {8, prove.BugDone << 16, Matched, true}} {
			if c.bug && row.Table != 0 {
				continue
			}
			place := off + c.field
			mem := &changed{img, start + uint64(place), binary.LittleEndian.Uint32(b[place:]) ^ c.by}
			other, err := image.NewImage(mem, img.Regions(), img.Modules(), img.Symbols())
			if err != nil {
				t.Fatal(err)
			}
			got := mustMatch(t, pre, other, Options{}).Func(f.Atom)
			if got.Verdict != c.wanted || got.Verdict == Mismatch && got.Mismatch.Reason != ReasonTable {
				t.Errorf("%s+%#x, %s: field %d changed by %#x: %v, want %v: %v", f.Name, row.Off, prove.RowTables[row.Table].Table.Name, c.field, c.by, got.Verdict, c.wanted, got.Mismatch)
			}
		}
		return
	}
	t.Errorf("%s+%#x has no row in %s", f.Name, row.Off, prove.RowTables[row.Table].Table.Name)
}
