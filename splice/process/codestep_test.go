//go:build linux && amd64

package process

import (
	"os"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/ehframe"
)

// TestWayOut compares where code that is followed to its return has the return
// address with what the unwind tables say, behind every call of static programs.
// Behind a call that never returns, other code may stand: there what is found is
// not believed, since no call of the function is in front of it.
func TestWayOut(t *testing.T) {
	for _, name := range []string{"O2-static", "O0-pie", "Os-pie", "O3-noplt-sections"} {
		t.Run(name, func(t *testing.T) {
			b := program(t, configNamed(name), "several")
			f, err := os.Open(b.program)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			file, err := elfobj.NewFile(f, st.Size())
			if err != nil {
				t.Fatal(err)
			}
			right, wrong, none := followAll(t, file)
			t.Logf("%d right, %d wrong, %d not followed", right, wrong, none)
			if right < 10 || wrong*50 > right || none*3 > right {
				t.Errorf("%d right, %d wrong, %d not followed", right, wrong, none)
			}
		})
	}
}

func followAll(t *testing.T, file *elfobj.File) (right, wrong, none int) {
	t.Helper()
	table, err := ehframe.FromELF(file, 0)
	if err != nil {
		t.Fatal(err)
	}
	const sp = 1 << 40
	for f, err := range table.FDEs() {
		if err != nil {
			t.Fatal(err)
		}
		code := make([]byte, f.End-f.Start)
		if _, err := file.ReadAddr(code, f.Start); err != nil {
			continue
		}
		row := rowsOf(table, f)
		for off := 0; off < len(code); {
			in, err := amd64.Decode(code[off:])
			if err != nil {
				break
			}
			off += int(in.Len)
			if in.Class != amd64.Call && in.Class != amd64.CallInd || off >= len(code) {
				continue
			}
			r := row(f.Start + uint64(off) - 1)
			if r == nil || r.CFAExpr != nil {
				continue
			}
			regs := ehframe.Regs{}
			regs.R[dwRSP], regs.R[dwRBP] = sp, sp+1<<20
			cfa := regs.R[r.CFAReg] + uint64(r.CFAOffset)
			got, ok := wayOut(code, f.Start, codeState{ip: f.Start + uint64(off), sp: sp}, &regs)
			switch {
			case ok && r.CFAReg == dwRBP && got.sp < sp+1<<19:
				// By its frame pointer and by its stack pointer: the two are
				// made up, and have nothing to do with each other.
			case !ok:
				none++
			case got.sp == cfa-8:
				right++
			default:
				wrong++
			}
		}
	}
	return right, wrong, none
}

// rowsOf returns a function that finds the rules at an address.
func rowsOf(table *ehframe.Table, f ehframe.FDE) func(pc uint64) *ehframe.Row {
	type at struct {
		pc  uint64
		row ehframe.Row
	}
	var list []at
	for pc, row := range table.Rows(f) {
		list = append(list, at{pc, row})
	}
	return func(pc uint64) *ehframe.Row {
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].pc <= pc {
				return &list[i].row
			}
		}
		return nil
	}
}
