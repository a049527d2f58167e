package compare

import (
	"bytes"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/internal/places"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Comparer compares the atoms of pre with those of post, given the twins.
type Comparer struct {
	Pre, Post             *object.Object
	Twins                 correlate.Twins
	prePlaces, postPlaces places.Records
	literals              map[[2]object.AtomID]bool          // verdicts on pairs of constants
	budget                int                                // pairs of constants that may still be compared
	layouts               map[object.AtomID]*walk            // of pairs of functions, by pre's id, see layout
	Pending               []Interior                         // of the function being compared
	Aside                 map[object.AtomID][]verdict.Reason // places of literals of post that differ
}

// NewComparer returns a comparer of two objects whose atoms are paired.
func NewComparer(pre, post *object.Object, t correlate.Twins) *Comparer {
	return &Comparer{
		Pre: pre, Post: post, Twins: t, prePlaces: places.Of(pre), postPlaces: places.Of(post),
		literals: map[[2]object.AtomID]bool{},
		layouts:  map[object.AtomID]*walk{},
		Aside:    map[object.AtomID][]verdict.Reason{},
		budget:   pairsPerAtom * (len(pre.Atoms) + len(post.Atoms) + 1),
	}
}

// pairsPerAtom bounds how often constants are compared. Compilers make one
// pair of each; cycles of different lengths, which only a hostile object has,
// could make as many as the product of both.
const pairsPerAtom = 4

// Interior is a claim that is checked when a whole function has been compared:
// that two places inside a pair of functions correspond.
type Interior struct {
	Pre, Post       object.AtomID
	PreOff, PostOff int64
}

// Refs compares two references, without looking at where their fields are. It
// returns the reason code when they differ, and "" when they mean the same.
func (c *Comparer) Refs(a, b *object.Ref) verdict.ReasonCode {
	if amd64.TypeClass(a.Type) != amd64.TypeClass(b.Type) {
		return verdict.ReasonReference
	}
	if a.Target == object.NoAtom || b.Target == object.NoAtom {
		if a.Target != b.Target || a.TargetOff != b.TargetOff || !c.sameSymbol(a, b) {
			return verdict.ReasonReference
		}
		return ""
	}
	ta, tb := &c.Pre.Atoms[a.Target], &c.Post.Atoms[b.Target]
	if ta.IsLiteral() && tb.IsLiteral() || ta.Kind == object.LSDA && tb.Kind == object.LSDA {
		return c.literal(ta, tb, a.TargetOff, b.TargetOff)
	}
	if x, y, ok := c.entries(a, b); ok { // what they say is compared with the function
		c.Pending = append(c.Pending, Interior{x.Target, y.Target, x.TargetOff, y.TargetOff})
		return ""
	}
	if ta.Kind == object.Special && tb.Kind == object.Special { // compared as wholes
		if a.TargetOff != b.TargetOff || c.Pre.SectionName(ta.Section) != c.Post.SectionName(tb.Section) {
			return verdict.ReasonReference
		}
		return ""
	}
	if c.Twins.Post[a.Target] != b.Target || YieldingName(c.Pre, a) != YieldingName(c.Post, b) {
		return verdict.ReasonReference
	}
	if ta.Kind == object.Func && a.TargetOff != 0 && b.TargetOff != 0 {
		c.Pending = append(c.Pending, Interior{a.Target, b.Target, a.TargetOff, b.TargetOff})
		return ""
	}
	if a.TargetOff == b.TargetOff {
		return ""
	}
	return verdict.ReasonReference
}

// entries returns the places that two references to entries of one table about code are about,
// where these are in twins.
func (c *Comparer) entries(a, b *object.Ref) (x, y *object.Ref, ok bool) {
	p, ok1 := tables.At(c.Pre, a)
	q, ok2 := tables.At(c.Post, b)
	if !ok1 || !ok2 || p.Form.Row != q.Form.Row {
		return nil, nil, false
	}
	x, y = p.Site(), q.Site()
	t := c.Pre.Atom(x.Target)
	return x, y, t != nil && t.Kind == object.Func && c.Twins.Post[x.Target] == y.Target
}

// Isolated is refs where places inside functions have to be the same ones.
func (c *Comparer) Isolated(a, b *object.Ref) verdict.ReasonCode {
	c.Pending = c.Pending[:0]
	code := c.Refs(a, b)
	if r := c.CheckPlaces(nil); code == "" && r != nil {
		code = r.Code
	}
	return code
}

// sameSymbol compares what is defined elsewhere, by name; absolute symbols
// also by value, and sections that have no atoms by their names.
func (c *Comparer) sameSymbol(a, b *object.Ref) bool {
	x, y := c.Pre.Symbol(a.Sym), c.Post.Symbol(b.Sym)
	if x.Section.IsReserved() || y.Section.IsReserved() {
		if x.Section != y.Section || x.Value != y.Value || x.Size != y.Size {
			return false
		}
	} else if x.IsDefined() && y.IsDefined() {
		return c.Pre.SectionName(x.Section) == c.Post.SectionName(y.Section)
	}
	return x.Name == y.Name
}

// literal compares constants by content, from the places that are meant.
func (c *Comparer) literal(a, b *object.Atom, ao, bo int64) verdict.ReasonCode {
	if a.Kind == object.String && b.Kind == object.String {
		sa, oka := object.Tail(a, ao)
		sb, okb := object.Tail(b, bo)
		same := oka && okb
		if !oka && !okb { // in front of it or at its end: equal when all is
			sa, sb, same = a.Bytes, b.Bytes, ao == bo
		}
		if !same || !bytes.Equal(sa, sb) {
			return verdict.ReasonString
		}
		return ""
	}
	if a.Kind == object.String || b.Kind == object.String {
		return c.stringAgainstConst(a, b, ao, bo)
	}
	if ao != bo || !c.constants(a, b) {
		if insn.IsText(a) && insn.IsText(b) {
			return verdict.ReasonString
		}
		return verdict.ReasonConstant
	}
	return ""
}

// stringAgainstConst compares a string literal that stands in a string section
// on one side only: compilers move literals that are too long, or hold a NUL.
func (c *Comparer) stringAgainstConst(a, b *object.Atom, ao, bo int64) verdict.ReasonCode {
	sa, oka := object.Tail(a, ao)
	sb, okb := object.Tail(b, bo)
	if oka && okb && len(a.Refs) == 0 && len(b.Refs) == 0 && bytes.Equal(sa, sb) {
		return ""
	}
	return verdict.ReasonString
}

// sameButPadding compares the bytes outside the fields of references. The end
// of an anonymous constant is not known: it reaches to the next place that
// something refers to, and zeros in front of that may be padding.
func (c *Comparer) sameButPadding(a, b *object.Atom) bool {
	if a.NoBits {
		return a.Size == b.Size
	}
	n := min(len(a.Bytes), len(b.Bytes))
	if len(a.Bytes) > n && !isPadding(c.Pre, a, n) {
		return false
	}
	if len(b.Bytes) > n && (!isPadding(c.Post, b, n) || bytes.IndexByte(b.Bytes[:n], 0) != n-1) {
		return false
	}
	return SameOutside(a.Bytes[:n], b.Bytes[:n], a.Refs)
}

// isPadding reports whether what an anonymous constant has from a place on can be padding: zeros, fewer
// than its section is aligned to, in front of something aligned. Where pre has more of it, it does not
// matter what it is: who uses the constant of post finds all of it in that of pre. Where post has more, it
// may be what was missing, unless it is a string that ends in front of it.
func isPadding(o *object.Object, a *object.Atom, from int) bool {
	rest := a.Bytes[from:]
	if !a.Anonymous() || len(bytes.Trim(rest, "\x00")) > 0 || a.ID+1 >= o.SectionRange(a.Section).Hi {
		return false
	}
	align := o.File.Sections[a.Section].Addralign
	if end := a.End(); end != 0 {
		align = min(align, end&-end)
	}
	return uint64(len(rest)) < align
}

// SameOutside compares bytes outside the fields of refs.
func SameOutside(a, b []byte, refs []object.Ref) bool {
	from := 0
	for i := range refs {
		lo := int(refs[i].Offset)
		if lo > len(a) {
			break
		}
		if lo > from && !bytes.Equal(a[from:lo], b[from:lo]) {
			return false
		}
		from = max(from, lo+amd64.FieldSize(refs[i].Type))
	}
	return from >= len(a) || bytes.Equal(a[from:], b[from:])
}

// PlainBytes shows the first bytes of a rest.
func PlainBytes(b []byte) string {
	if s, ok := insn.Printable(b); ok {
		return insn.Quote(s)
	}
	if len(b) > insn.MaxShown {
		return fmt.Sprintf("% x...", b[:insn.MaxShown])
	}
	return fmt.Sprintf("% x", b)
}
