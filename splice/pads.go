package splice

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
)

// This file finds padding near a function that belongs to nobody, for a long jump to stand
// in. A stretch of code counts where all of this holds:
//
//   - it lies between two functions that follow each other in pre and in run, or, of a
//     program with all its symbols, between two symbols, of which the first is a function
//     with a size
//   - it is nothing but filling, perhaps with a jump over it, and nothing that pre has leads into it
//   - the function in front of it decodes up to its end, and ends with a return or a jump: no
//     flow runs into it, and no call returns to it
//   - no field of the module's code that could be a displacement of 32 bits leads into it, nor
//     a short branch of the functions around it
//   - it is in front of the function itself, or it is not what other functions have in front
//     of them as theirs (-fpatchable-function-entry)

const (
	// nearPads is how far from a function padding is looked for, in bytes.
	nearPads = 128
	// maxPad bounds a stretch of padding, in bytes: more is no alignment.
	maxPad = 256
	// maxPads bounds how many are kept of one function.
	maxPads = 4
)

// stretch is a function in run, by addresses.
type stretch struct {
	start, end uint64
	data       bool // or nobody knows
}

// room is padding with its place and its bytes.
type room struct {
	Pad
	span Span
}

// pads returns the padding near a function, the nearest first.
func (m *matched) pads(pre object.AtomID, f *reloc.FuncResult) []room {
	_, module := m.Image.ModuleAt(f.Address)
	region := m.Image.RegionAt(f.Address)
	if region == nil || !region.Exec {
		return nil
	}
	funcs := m.near(pre, f, module)
	var gaps []Pad
	front := map[Pad]stretch{}
	for i := 1; i < len(funcs); i++ {
		gap := Pad{funcs[i-1].end, funcs[i].start}
		switch {
		case gap.End <= gap.Start, gap.End-gap.Start < JmpRel32.Size(), gap.End-gap.Start > maxPad:
			continue
		case gap.Start < region.Start, gap.End > region.End, gap.End+nearPads < f.Address, gap.Start > f.Address+nearPads+endbrSize:
			continue
		}
		gaps, front[gap] = append(gaps, gap), funcs[i-1]
	}
	slices.SortStableFunc(gaps, func(a, b Pad) int { return cmp.Compare(distance(a, f.Address), distance(b, f.Address)) })
	var out []room
	for _, gap := range gaps {
		if s, ok := m.pad(front[gap], gap, f, funcs); ok && len(out) < maxPads {
			out = append(out, room{gap, s})
		}
	}
	return out
}

// distance is how far padding is from an entry: what is in front comes first.
func distance(gap Pad, entry uint64) uint64 {
	if gap.End <= entry {
		return entry - gap.End
	}
	return gap.Start - entry + nearPads
}

// near lists the functions around one of which it is known where they end, by address. What
// is not known between two of them is no padding: it is left out by the gap's own proof.
func (m *matched) near(pre object.AtomID, f *reloc.FuncResult, module int) []stretch {
	const around = 2*nearPads + maxPad + amd64.JmpRel8Size // what a branch into padding may come from
	lo, hi := f.Address-min(f.Address, around), f.Address+f.Size+around
	if m.Image.HasAllSymbols(module) {
		return m.nearSymbols(lo, hi, module)
	}
	atoms := m.Diff.Pre.Atoms
	this := func(id int) (c stretch, isRoom, ok bool) {
		a := &atoms[id]
		g := m.Match.Func(a.ID)
		if a.Kind == object.Func && a.Section == atoms[pre].Section && m.isRoom(a) {
			return c, true, false
		}
		if a.Kind != object.Func || a.Section != atoms[pre].Section || g == nil || g.Verdict != reloc.Matched {
			return c, false, false
		}
		return stretch{start: g.Address, end: g.Address + g.Size}, false, true
	}
	own, _, _ := this(int(pre))
	out := []stretch{own}
	for i := int(pre) + 1; i < len(atoms); i++ {
		c, isRoom, ok := this(i)
		if isRoom {
			continue
		}
		if !ok || c.start < out[len(out)-1].end || c.start > hi {
			break
		}
		out = append(out, c)
	}
	for i := int(pre) - 1; i >= 0; i-- {
		c, isRoom, ok := this(i)
		if isRoom {
			continue
		}
		if !ok || c.end > out[0].start || c.end < lo {
			break
		}
		out = slices.Insert(out, 0, c)
	}
	return out
}

// isRoom reports whether code of pre is the room in front of a function that only the table of
// such room names: some compilers give it a symbol.
func (m *matched) isRoom(a *object.Atom) bool {
	pre := m.Diff.Pre
	if !m.patchable() || amd64.NopLen(a.Bytes) != len(a.Bytes) {
		return false
	}
	for _, u := range pre.Users(a.ID) {
		if pre.File.Sections[pre.Atom(u).Section].Name != kerneltab.Patchable {
			return false
		}
	}
	return true
}

// nearSymbols is near by the symbols of run. A symbol without a size, or of data, is
// somebody's up to the next one.
func (m *matched) nearSymbols(lo, hi uint64, module int) []stretch {
	syms := m.Image.Symbols()
	first, _ := slices.BinarySearchFunc(syms, lo, func(s image.Symbol, a uint64) int { return cmp.Compare(s.Addr, a) })
	for first > 0 && syms[first-1].Module == module && syms[first-1].End() > lo { // one that reaches into it
		first--
	}
	if first > 0 {
		first--
	}
	var out []stretch
	for i := first; i < len(syms) && syms[i].Addr <= hi; i++ {
		s := &syms[i]
		if s.Module != module {
			continue
		}
		c := stretch{start: s.Addr, end: s.End(), data: !s.IsFunc()}
		if s.Size == 0 || !s.IsFunc() || s.Spread {
			if next, ok := m.Image.NextSymbol(s.Addr + 1); ok {
				c.end = max(c.end, next)
			}
		}
		if n := len(out); n > 0 && c.start < out[n-1].end { // an alias, or a label inside
			out[n-1].end = max(out[n-1].end, c.end)
			continue
		}
		out = append(out, c)
	}
	return out
}

// pad proves that a gap behind a function is padding that belongs to nobody.
func (m *matched) pad(front stretch, gap Pad, f *reloc.FuncResult, funcs []stretch) (Span, bool) {
	b := make([]byte, gap.End-gap.Start)
	if m.Image.ReadAddr(b, gap.Start) != nil || !isPad(b) || !m.endsFlow(front) || m.leads(front, gap) {
		return Span{}, false
	}
	if gap.End != f.Address && (m.patchable() || bytes.HasSuffix(b, []byte{amd64.FillNop, amd64.FillNop})) {
		return Span{}, false // it may be the room of the function behind it
	}
	if m.shortBranch(gap, funcs) || m.longBranch(gap) {
		return Span{}, false
	}
	at, ok := m.place(gap.Start)
	return Span{Place: at, Bytes: b}, ok
}

// isPad reports whether bytes are filling. Assemblers put a jump over it in front of much.
func isPad(b []byte) bool {
	in, err := amd64.Decode(b)
	if err != nil || in.Class != amd64.Jump {
		return fills(b)
	}
	to, ok := in.Target(b, 0)
	return ok && to == uint64(len(b)) && fills(b[in.Len:])
}

// leads reports whether pre has an address behind the end of the function in front of a gap:
// of its end, or of what is in the gap.
func (m *matched) leads(front stretch, gap Pad) bool {
	for i := range m.Match.Functions {
		f := &m.Match.Functions[i]
		if f.Verdict != reloc.Matched || f.Address < front.start || f.Address >= gap.End {
			continue
		}
		for _, off := range m.named[f.Atom] {
			if to := f.Address + f.RunOffset(off); off >= m.Diff.Pre.Atom(f.Atom).Size && to >= gap.Start {
				return true
			}
		}
	}
	return false
}

// maxFront bounds how much of the function in front of padding is decoded, in bytes.
const maxFront = 1 << 20

// endsFlow reports whether code decodes up to its end, and nothing runs on behind it.
func (m *matched) endsFlow(c stretch) bool {
	if c.end <= c.start || c.end-c.start > maxFront {
		return false
	}
	ends := false
	end := m.decode(c, func(in *amd64.Inst, _ []byte, _ uint64) { ends = in.EndsFlow() })
	return end == c.end && ends
}

// decode goes over the instructions of code in run, and returns where that ends.
func (m *matched) decode(c stretch, visit func(in *amd64.Inst, b []byte, pc uint64)) uint64 {
	b := make([]byte, c.end-c.start)
	if c.data || m.Image.ReadAddr(b, c.start) != nil {
		return c.start
	}
	off := 0
	for off < len(b) {
		in, err := amd64.Decode(b[off:])
		if err != nil || off+int(in.Len) > len(b) {
			break
		}
		visit(&in, b[off:], c.start+uint64(off))
		off += int(in.Len)
	}
	return c.start + uint64(off)
}

// shortBranch reports whether a branch of one byte may lead into a gap. Code around it that
// is no function that decodes is looked at byte by byte.
func (m *matched) shortBranch(gap Pad, funcs []stretch) bool {
	r := m.Image.RegionAt(gap.Start)
	at, end := gap.Start-min(gap.Start, nearPads+amd64.JmpRel8Size), gap.End+nearPads
	if at < r.Start || end > r.End { // behind the ends of the code is none, or who knows
		for _, beyond := range []uint64{r.Start - 1, r.End} {
			if o := m.Image.RegionAt(beyond); o != nil && o.Exec {
				return true
			}
		}
		at, end = max(at, r.Start), min(end, r.End)
	}
	for _, c := range funcs {
		if c.end = min(c.end, r.End); c.end <= at || c.start >= end || c.end-c.start > maxFront {
			continue
		}
		if c.start > at && m.unknownShort(gap, stretch{start: at, end: c.start}) {
			return true
		}
		var hit bool
		if at, hit = m.decodedShort(gap, c); hit {
			return true
		}
		if at < c.end {
			return at < end && m.unknownShort(gap, stretch{start: at, end: end})
		}
	}
	// What lies behind the last function begins with an instruction, or filling.
	if at < end {
		var hit bool
		if at, hit = m.decodedShort(gap, stretch{start: at, end: end}); hit {
			return true
		}
	}
	return at < end && m.unknownShort(gap, stretch{start: at, end: end})
}

// decodedShort reports whether a branch of code leads into a gap, and how far that decodes.
func (m *matched) decodedShort(gap Pad, c stretch) (end uint64, hit bool) {
	end = m.decode(c, func(in *amd64.Inst, b []byte, pc uint64) {
		to, ok := in.Target(b, pc)
		hit = hit || ok && to >= gap.Start && to < gap.End
	})
	return end, hit
}

// unknownShort reports whether something in what is no known code could be a short branch into
// a gap: a byte that such instructions have, with the displacement behind it. It counts where
// an instruction may begin, by what is in front.
func (m *matched) unknownShort(gap Pad, c stretch) bool {
	r := m.Image.RegionAt(c.start)
	from := c.start - min(c.start-r.Start, lead)
	b := make([]byte, c.end-from)
	if m.Image.ReadAddr(b, from) != nil {
		return true
	}
	starts := mayStart(b)
	for i := int(c.start - from); i+1 < len(b); i++ {
		to := from + uint64(i) + amd64.JmpRel8Size + uint64(int64(int8(b[i+1])))
		if isShort(b[i]) && to >= gap.Start && to < gap.End && starts[i] {
			return true
		}
	}
	return false
}

// lead is how much code is decoded in front of what has to be decoded, in bytes. Whatever it
// is begun with, decoding falls in with the true instructions within some of them.
const lead = 128

// mayStart says where instructions, or what is behind their prefixes, may begin in code of which
// none is known: as decoding finds them that begins with any of the bytes that the longest
// instruction could have. From where none of these goes on it is everywhere.
func mayStart(b []byte) []bool {
	const longest = 15
	starts, far := make([]bool, len(b)), 0
	for first := 0; first < min(longest, len(b)); first++ {
		off := first
		for off < len(b) {
			in, err := amd64.Decode(b[off:])
			if err != nil && len(b)-off >= longest {
				break
			}
			for i := off; i <= off+int(in.OpOff) && i < len(b); i++ {
				starts[i] = true
			}
			off += max(int(in.Len), 1)
		}
		far = max(far, off)
	}
	for i := far; i < len(b); i++ {
		starts[i] = true
	}
	return starts
}

// isShort tells opcodes of branches with a displacement of one byte: jcc, loop, jrcxz, jmp.
func isShort(op byte) bool { return op>>4 == 7 || op >= 0xe0 && op <= 0xe3 || op == 0xeb }

// longBranch reports whether four bytes of the module's code that may be the displacement of a
// branch, or of an address, lead into a gap.
func (m *matched) longBranch(gap Pad) bool {
	_, module := m.Image.ModuleAt(gap.Start)
	n := uint32(gap.End - gap.Start)
	for _, r := range m.Image.Regions() {
		if r.Module != module || !r.Exec {
			continue
		}
		b := m.regionCode(&r)
		if b == nil {
			return true
		}
		own := Pad{} // the filling itself
		if r.Start <= gap.Start && gap.End <= r.End {
			own = Pad{gap.Start - r.Start - min(gap.Start-r.Start, 3), gap.End - r.Start}
		}
		behind := uint32(r.Start - gap.Start + 4) // of the first field, from the gap
		for i := 1; i+4 <= len(b); i++ {
			if uint32(i)+behind+binary.LittleEndian.Uint32(b[i:]) < n && isField(b[:i]) && (uint64(i) < own.Start || uint64(i) >= own.End) {
				return true
			}
		}
	}
	return false
}

// isField reports whether a displacement of four bytes may follow code: that of call, jmp, jcc
// or xbegin, or the ModRM byte of an operand by %rip.
func isField(b []byte) bool {
	const ripMask, rip = 0xc7, 0x05
	switch last := b[len(b)-1]; {
	case last == 0xe8, last == 0xe9, last == 0xf8, last>>4 == 8, last&ripMask == rip:
		return true
	}
	return false
}

// regionCode reads a region of code, once; nil when it can't be read.
func (m *matched) regionCode(r *image.Region) []byte {
	b, ok := m.texts[r.Start]
	if !ok {
		b = make([]byte, r.End-r.Start)
		if m.Image.ReadAddr(b, r.Start) != nil {
			b = nil
		}
		m.texts[r.Start] = b
	}
	return b
}
