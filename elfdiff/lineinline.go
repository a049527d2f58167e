package elfdiff

import (
	"cmp"
	"debug/dwarf"
	"slices"
)

// inlinedCode is a stretch of code that was inlined.
type inlinedCode struct {
	lo, hi uint64
	line   int    // of the call
	most   uint64 // the largest hi of this and all before
}

// maxInlined bounds how many stretches are looked at for one address.
const maxInlined = 1 << 12

// callLines returns the lines of the calls that the code at an offset of the
// atom was inlined by, the innermost first: what __LINE__ is when it is an
// argument of an inline function.
func (t *lineTable) callLines(a *Atom, off uint64) []int {
	t.read.Do(func() {
		for _, u := range t.units {
			t.readInlined(u)
		}
		slices.SortStableFunc(t.inlined, func(a, b inlinedCode) int { return cmp.Compare(a.lo, b.lo) })
		most := uint64(0)
		for i := range t.inlined {
			most = max(most, t.inlined[i].hi)
			t.inlined[i].most = most
		}
	})
	addr := t.base[a.Section] + a.Offset + off
	i, _ := slices.BinarySearchFunc(t.inlined, addr+1, func(c inlinedCode, addr uint64) int { return cmp.Compare(c.lo, addr) })
	var lines []int
	for n := 0; i > 0 && n < maxInlined; n++ {
		i--
		if t.inlined[i].most <= addr {
			break
		}
		if addr < t.inlined[i].hi {
			lines = append(lines, t.inlined[i].line)
		}
	}
	return lines
}

// readInlined collects the inlined code of one unit. Types and data, most of
// the entries, are skipped as far as their siblings are known.
func (t *lineTable) readInlined(unit dwarf.Offset) {
	r := t.data.Reader()
	r.Seek(unit)
	for depth := 0; ; {
		e, err := r.Next()
		if err != nil || e == nil {
			return // what was read so far still proves something
		}
		switch e.Tag {
		case 0:
			if depth--; depth <= 0 {
				return
			}
			continue
		case dwarf.TagInlinedSubroutine:
			t.addInlined(e)
		case dwarf.TagCompileUnit, dwarf.TagSubprogram, dwarf.TagLexDwarfBlock, dwarf.TagNamespace:
		default:
			r.SkipChildren()
			continue
		}
		if e.Children {
			depth++
		}
	}
}

func (t *lineTable) addInlined(e *dwarf.Entry) {
	line, ok := e.Val(dwarf.AttrCallLine).(int64)
	if !ok {
		return
	}
	ranges, err := t.data.Ranges(e)
	if err != nil {
		return
	}
	for _, r := range ranges {
		if r[0] < r[1] {
			t.inlined = append(t.inlined, inlinedCode{lo: r[0], hi: r[1], line: int(line)})
		}
	}
}
