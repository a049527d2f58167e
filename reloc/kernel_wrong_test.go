package reloc

import (
	"bytes"
	"debug/elf"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// linkedCode is the code of a vmlinux by function, with the fields that the
// linker filled in set to zero: what two versions of a function have in common
// when it is the same.
type linkedCode struct {
	*kernelOracle
	file *elf.File
	syms map[string][]elf.Symbol
}

func openCode(t *testing.T, path string) *linkedCode {
	t.Helper()
	c := &linkedCode{kernelOracle: openOracle(t, path), syms: make(map[string][]elf.Symbol)}
	var err error
	if c.file, err = elf.Open(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.file.Close() })
	syms, err := c.file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range syms {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Size > 0 {
			c.syms[s.Name] = append(c.syms[s.Name], s)
		}
	}
	return c
}

// code returns the masked bytes of the function at an address, nil when there is
// none. Where relocations of code are not kept, fields are where the object that
// was linked has them.
func (c *linkedCode) code(t *testing.T, name string, addr uint64, fields [][2]uint64) []byte {
	t.Helper()
	for _, s := range c.syms[name] {
		if s.Value != addr {
			continue
		}
		sec := c.file.Sections[s.Section]
		b := make([]byte, s.Size)
		if _, err := sec.ReadAt(b, int64(addr-sec.Addr)); err != nil {
			t.Fatal(err)
		}
		i, _ := slices.BinarySearchFunc(c.relas, addr, func(r applied, a uint64) int {
			if r.at < a {
				return -1
			}
			return 1
		})
		for ; i < len(c.relas) && c.relas[i].at < addr+s.Size; i++ {
			off := c.relas[i].at - addr
			clear(b[off:min(off+4, s.Size)])
		}
		for _, f := range fields {
			if len(c.kernelOracle.code) > 0 && f[1] <= s.Size {
				clear(b[f[0]:f[1]])
			}
		}
		maskLeaving(b)
		return b
	}
	return nil
}

// fieldsOf returns where the fields of a matched function begin and end in run.
func fieldsOf(pre *object.Object, f *FuncResult) (out [][2]uint64) {
	a := pre.Atom(f.Atom)
	for i := range a.Refs {
		size := uint64(4)
		if elf.R_X86_64(a.Refs[i].Type) == elf.R_X86_64_64 {
			size = 8
		}
		out = append(out, [2]uint64{f.RunOffset(a.Refs[i].Offset), f.RunOffset(a.Refs[i].Offset + size)})
	}
	return out
}

// isPadding reports whether a function is no more than what lies in front of one
// that does not match.
func isPadding(r *Result, name string) bool {
	name, ok := strings.CutPrefix(name, "__pfx_")
	return ok && !slices.ContainsFunc(r.Functions, func(f FuncResult) bool { return f.Name == name && f.Verdict == Matched })
}

// maskLeaving clears the distances of branches out of a function, for which there
// is no relocation where they lead into the same file.
func maskLeaving(b []byte) {
	for off := 0; off < len(b); {
		in, err := amd64.Decode(b[off:])
		if err != nil {
			off++
			continue
		}
		if to := relativeIn(in, b, off); in.IsBranch() && (to < 0 || to >= len(b)) {
			clear(b[off+int(in.PCRelOff) : off+int(in.PCRelOff)+int(in.PCRelLen)])
		}
		off += int(in.Len)
	}
}

func relativeIn(in amd64.Inst, b []byte, off int) int {
	if !in.IsBranch() {
		return 0
	}
	return prove.Relative(in, b, off)
}

// TestOtherKernel matches objects with another version of their kernel. What was
// compiled to other bytes has to be reported, and nothing else but functions that
// mention something else, or something that changed.
func TestOtherKernel(t *testing.T) {
	dir, path, rest := longRun(t, "matches objects of one kernel with another", testenv.Other)
	other := rest[0]
	own, alien := openCode(t, path), openCode(t, other)
	img, wrong := mustImage(t, path), mustImage(t, other)
	same, differ, meaning, gone, replaced, missed, false_ := 0, 0, 0, 0, 0, 0, 0
	for _, o := range objectsIn(t, dir) {
		pre := mustOpen(t, o)
		right, bad := mustMatch(t, pre, img, Options{}), mustMatch(t, pre, wrong, Options{})
		for i := range right.Functions {
			f, g := &right.Functions[i], &bad.Functions[i]
			if f.Verdict != Matched || f.Name == "" || len(alien.syms[f.Name]) == 0 {
				gone++
				continue
			}
			fields := fieldsOf(pre, f)
			a := own.code(t, f.Name, f.Address, fields)
			if a == nil {
				replaced++ // a weak function, of which the code without a name is left
				continue
			}
			equal := slices.ContainsFunc(alien.syms[f.Name], func(s elf.Symbol) bool {
				return bytes.Equal(a, alien.code(t, f.Name, s.Value, fields))
			})
			switch {
			case g.Verdict == Matched && equal:
				same++
			case g.Verdict == Matched && (len(f.Shifts) > 0 || len(g.Shifts) > 0):
				same++ // jumps of another width, which the masked bytes show
			case g.Verdict == Matched:
				missed++
				t.Errorf("%s: %s matched at %#x, where other bytes are", where(pre), f.Name, g.Address)
			case !equal:
				differ++
			case g.Verdict == Mismatch && g.Mismatch.Reason != ReasonBytes && g.Mismatch.Reason != ReasonBranch:
				meaning++ // the same bytes, but a string or a variable that changed
			case g.Verdict == Ambiguous && isPadding(bad, f.Name):
				meaning++
			default:
				false_++
				t.Errorf("%s: %s has the same bytes, and is %v: %v", where(pre), f.Name, g.Verdict, g.Mismatch)
			}
		}
	}
	t.Logf("%d functions are the same and match, %d differ and are reported, %d refer to something that differs, %d are in one of the two only, %d are weak and replaced; %d missed, %d reported for nothing",
		same, differ, meaning, gone, replaced, missed, false_)
}
