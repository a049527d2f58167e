package ehframe

import (
	"testing"
)

// FuzzTable parses hostile sections. Whatever they hold, parsing ends, records
// lie in the section one after the other, and what Lookup finds has the address.
func FuzzTable(f *testing.F) {
	f.Add(frames(nil, []byte{opAdvanceLoc | 4, opDefCFAOffset, 16}, []byte{opUndefined, RA}), uint64(0x1000))
	f.Add(frames([]byte{opDefCFAExpression, 2, exBreg0 + RSP, 8}), uint64(0x1001))
	f.Add(frames([]byte{opRememberState, opRestoreState, opSetLoc, 1, 2, 3, 4}), uint64(0x1010))
	f.Add(record(0, 0, 0, 0, 1, 'z', 'P', 'L', 'R', 0, 1, 0x78, 16, 7, 0x9b, 0, 0, 0, 0, 0x1b, 0x1b), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, pc uint64) {
		end := uint64(0)
		for r, err := range Records(b) {
			if err != nil {
				break
			}
			if r.Offset < end || r.Length < 8 || r.Offset+r.Length > uint64(len(b)) {
				t.Fatalf("record %+v after %#x in %#x bytes", r, end, len(b))
			}
			end = r.Offset + r.Length
			for _, off := range []uint64{r.PCBegin, r.PCRange, r.LSDA, r.Personality, r.Instructions} {
				if off != 0 && (off < r.Offset || off > end) {
					t.Fatalf("field at %#x outside of record %+v", off, r)
				}
			}
		}
		tab, err := New(Section{base, b}, Section{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if fde, err := tab.Lookup(pc); err == nil {
			if pc < fde.Start || pc >= fde.End {
				t.Fatalf("Lookup(%#x) = %#x-%#x", pc, fde.Start, fde.End)
			}
			for range tab.Rows(fde) {
			}
		}
		var regs Regs
		regs.R[RA], regs.R[RSP] = pc, stack
		mem := words(stack, pc, pc+1, pc+2, pc+3, pc+4, 0)
		for range Walk(mem, regs, func(uint64) *Table { return tab }, 50) {
		}
		// The same bytes as a header.
		if tab, err := New(Section{base, b}, Section{base, b}, 0); err == nil {
			tab.Lookup(pc)
		}
	})
}

// FuzzExpr evaluates hostile expressions.
func FuzzExpr(f *testing.F) {
	f.Add([]byte{exBreg0 + RSP, 8, exDeref})
	f.Add([]byte{exLit0, exSkip, 0xfc, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var regs Regs
		cfa := uint64(stack)
		regs.R[RSP] = stack
		eval(b, &regs, words(stack, 1, 2, 3), 0, &cfa)
	})
}

// BenchmarkLookup looks up every function of libc.
func BenchmarkLookup(b *testing.B) {
	tab, err := FromELF(openLibrary(b, libraries[0]), 0)
	if err != nil {
		b.Fatal(err)
	}
	var pcs []uint64
	for f, err := range tab.FDEs() {
		if err != nil {
			b.Fatal(err)
		}
		pcs = append(pcs, f.Start)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := tab.Lookup(pcs[i%len(pcs)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRow computes the rules at the end of every function of libc.
func BenchmarkRow(b *testing.B) {
	tab, err := FromELF(openLibrary(b, libraries[0]), 0)
	if err != nil {
		b.Fatal(err)
	}
	var fdes []FDE
	for f, err := range tab.FDEs() {
		if err != nil {
			b.Fatal(err)
		}
		fdes = append(fdes, f)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f := &fdes[i%len(fdes)]
		if _, err := tab.frame.rowAt(f, f.End-1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecords goes through libc's .eh_frame.
func BenchmarkRecords(b *testing.B) {
	f := openLibrary(b, libraries[0])
	s, err := namedSection(f, frameName)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(s.Data)))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range Records(s.Data) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// TestSectionless finds the same tables in a library that has lost its section
// headers, by its program headers.
func TestSectionless(t *testing.T) {
	f := openLibrary(t, libraries[0])
	whole, err := FromELF(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := FromMemory(f, f.Progs, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for fde, err := range whole.FDEs() {
		if err != nil {
			t.Fatal(err)
		}
		if got, err := bare.Lookup(fde.Start); err != nil || got.Start != fde.Start || got.End != fde.End {
			t.Fatalf("Lookup(%#x): %#x-%#x, %v", fde.Start, got.Start, got.End, err)
		}
		n++
	}
	if n == 0 {
		t.Error("no FDEs")
	}
}
