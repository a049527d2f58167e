package elfdiff

import (
	"bytes"
	"debug/elf"

	"github.com/gosplice/gosplice/internal/amd64"
)

// comparer compares the atoms of pre with those of post, given the twins.
type comparer struct {
	pre, post *Object
	twins     twins
	literals  map[[2]AtomID]bool  // verdicts on pairs of constants
	budget    int                 // pairs of constants that may still be compared
	layouts   map[AtomID]*walk    // of pairs of functions, by pre's id, see layout
	pending   []interior          // of the function being compared
	aside     map[AtomID][]Reason // places of literals of post that differ
}

func newComparer(pre, post *Object, t twins) *comparer {
	return &comparer{
		pre: pre, post: post, twins: t,
		literals: map[[2]AtomID]bool{},
		layouts:  map[AtomID]*walk{},
		aside:    map[AtomID][]Reason{},
		budget:   pairsPerAtom * (len(pre.Atoms) + len(post.Atoms) + 1),
	}
}

// pairsPerAtom bounds how often constants are compared. Compilers make one
// pair of each; cycles of different lengths, which only a hostile object has,
// could make as many as the product of both.
const pairsPerAtom = 4

// interior is a claim that is checked when a whole function has been compared:
// that two places inside a pair of functions correspond.
type interior struct {
	pre, post       AtomID
	preOff, postOff int64
}

// typeClass maps relocation types that mean the same to one of them. PLT32 and
// PC32 differ only when the linker has to choose between a symbol and its PLT
// entry, which it does by the symbol (psABI section 4.4.1); the three GOTPCREL
// types differ only in what the linker may rewrite.
func typeClass(t uint32) uint32 {
	switch elf.R_X86_64(t) {
	case elf.R_X86_64_PLT32:
		return relPC32
	case elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX:
		return uint32(elf.R_X86_64_GOTPCREL)
	}
	return t
}

// refs compares two references, without looking at where their fields are. It
// returns the reason code when they differ, and "" when they mean the same.
func (c *comparer) refs(a, b *Ref) ReasonCode {
	if typeClass(a.Type) != typeClass(b.Type) {
		return ReasonReference
	}
	if a.Target == NoAtom || b.Target == NoAtom {
		if a.Target != b.Target || a.TargetOff != b.TargetOff || !c.sameSymbol(a, b) {
			return ReasonReference
		}
		return ""
	}
	ta, tb := &c.pre.Atoms[a.Target], &c.post.Atoms[b.Target]
	if isLiteral(ta) && isLiteral(tb) || ta.Kind == LSDA && tb.Kind == LSDA {
		return c.literal(ta, tb, a.TargetOff, b.TargetOff)
	}
	if ta.Kind == Special && tb.Kind == Special { // compared as wholes
		if a.TargetOff != b.TargetOff || c.pre.sectionName(ta.Section) != c.post.sectionName(tb.Section) {
			return ReasonReference
		}
		return ""
	}
	if c.twins.post[a.Target] != b.Target {
		return ReasonReference
	}
	if ta.Kind == Func && a.TargetOff != 0 && b.TargetOff != 0 {
		c.pending = append(c.pending, interior{a.Target, b.Target, a.TargetOff, b.TargetOff})
		return ""
	}
	if a.TargetOff == b.TargetOff {
		return ""
	}
	return ReasonReference
}

// isolated is refs where places inside functions have to be the same ones.
func (c *comparer) isolated(a, b *Ref) ReasonCode {
	c.pending = c.pending[:0]
	code := c.refs(a, b)
	if r := c.settle(nil); code == "" && r != nil {
		code = r.Code
	}
	return code
}

// sameSymbol compares what is defined elsewhere, by name; absolute symbols
// also by value, and sections that have no atoms by their names.
func (c *comparer) sameSymbol(a, b *Ref) bool {
	x, y := c.pre.Symbol(a.Sym), c.post.Symbol(b.Sym)
	if x.Section.IsReserved() || y.Section.IsReserved() {
		if x.Section != y.Section || x.Value != y.Value || x.Size != y.Size {
			return false
		}
	} else if x.IsDefined() && y.IsDefined() {
		return c.pre.sectionName(x.Section) == c.post.sectionName(y.Section)
	}
	return x.Name == y.Name
}

// literal compares constants by content, from the places that are meant.
func (c *comparer) literal(a, b *Atom, ao, bo int64) ReasonCode {
	if a.Kind == String && b.Kind == String {
		sa, oka := tail(a, ao)
		sb, okb := tail(b, bo)
		same := oka && okb
		if !oka && !okb { // in front of it or at its end: equal when all is
			sa, sb, same = a.Bytes, b.Bytes, ao == bo
		}
		if !same || !bytes.Equal(sa, sb) {
			return ReasonString
		}
		return ""
	}
	if a.Kind == String || b.Kind == String {
		return c.stringAgainstConst(a, b, ao, bo)
	}
	if ao != bo || !c.constants(a, b) {
		if isText(a) && isText(b) {
			return ReasonString
		}
		return ReasonConstant
	}
	return ""
}

// stringAgainstConst compares a string literal that stands in a string section
// on one side only: compilers move literals that are too long, or hold a NUL.
func (c *comparer) stringAgainstConst(a, b *Atom, ao, bo int64) ReasonCode {
	sa, oka := tail(a, ao)
	sb, okb := tail(b, bo)
	if oka && okb && len(a.Refs) == 0 && len(b.Refs) == 0 && bytes.Equal(sa, sb) {
		return ""
	}
	return ReasonString
}

// tail returns what is from an offset on; false where that is outside.
func tail(a *Atom, off int64) ([]byte, bool) {
	if a.NoBits || off < 0 || off >= int64(len(a.Bytes)) {
		return nil, false
	}
	return a.Bytes[off:], true
}

// sameButPadding compares the bytes outside the fields of references. The end
// of an anonymous constant is not known: it reaches to the next place that
// something refers to, and zeros in front of that may be padding.
func sameButPadding(a, b *Atom) bool {
	if a.NoBits {
		return a.Size == b.Size
	}
	n := min(len(a.Bytes), len(b.Bytes))
	rest := append(a.Bytes[n:len(a.Bytes):len(a.Bytes)], b.Bytes[n:]...)
	if len(rest) > 0 && (!a.Anonymous() || len(rest) >= maxAlign || len(bytes.Trim(rest, "\x00")) > 0) {
		return false
	}
	return sameOutside(a.Bytes[:n], b.Bytes[:n], a.Refs)
}

// maxAlign bounds what can be padding between constants: compilers align them
// to at most a cache line.
const maxAlign = 64

// sameOutside compares bytes outside the fields of refs.
func sameOutside(a, b []byte, refs []Ref) bool {
	from := 0
	for i := range refs {
		lo := int(refs[i].Offset)
		if lo > len(a) {
			break
		}
		if lo > from && !bytes.Equal(a[from:lo], b[from:lo]) {
			return false
		}
		from = max(from, lo+fieldSize(refs[i].Type))
	}
	return from >= len(a) || bytes.Equal(a[from:], b[from:])
}

// fieldSize returns how many bytes a relocation of type t owns. Unknown types
// own nothing, so that their bytes are compared.
func fieldSize(t uint32) int {
	if h, ok := amd64.HowtoOf(t); ok {
		return int(h.Size)
	}
	return 0
}
