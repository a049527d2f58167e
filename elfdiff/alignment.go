package elfdiff

import (
	"math/bits"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// placement is how an object of post is aligned, and that of pre.
type placement struct {
	has, sure, may uint64 // the alignment of pre, and the least and the most of post
	size           uint64
	told           bool
}

// alignments finds what the code that travels assumes of objects that stay.
func (in *includer) alignments() {
	seen := map[object.AtomID]*placement{}
	for i := range in.Post.Atoms {
		a := &in.Post.Atoms[i]
		if !in.carried.Included[i] || a.Kind != object.Func || len(a.Refs) == 0 {
			continue
		}
		uses := usesOf(a)
		for k := range a.Refs {
			in.aligns(a, &a.Refs[k], &uses, seen)
		}
	}
	in.keptAlignments(seen)
}

// keptAlignments reports the objects that stay where they are, and that post aligns more for sure. What
// code that travels uses is looked at where it is, when the update is linked.
func (in *includer) keptAlignments(seen map[object.AtomID]*placement) {
	for i := range in.Post.Atoms {
		b, pre := &in.Post.Atoms[i], in.twins.Pre[i]
		if pre == object.NoAtom || b.Kind != object.Data && b.Kind != object.Const || b.Name == "" || b.IsLiteral() || in.carried.Included[i] {
			continue
		}
		a := &in.Pre.Atoms[pre]
		if p := seen[b.ID]; p != nil && p.told || a.Size != b.Size || !in.boundAlike(a, b) || in.past(in.Post, b.ID) != nil {
			continue // compilers align by size, and by who may take the place of an object
		}
		if !in.carried.Tables && isWalked(in.Post.SectionName(b.Section)) {
			continue // see extents
		}
		_, has := alignment(in.Pre, a)
		if sure, _ := alignment(in.Post, b); sure > has {
			in.report(findingAt(in.Post, CodeKeptAlignment, b.ID, 0, "post aligns it to %d bytes; it stays where it is in the running program, aligned to %d as far as pre says", sure, max(has, 1)))
		}
	}
}

// boundAlike reports whether the names of two objects are bound alike.
func (in *includer) boundAlike(a, b *object.Atom) bool {
	return len(in.Pre.Globals(a)) == 0 == (len(in.Post.Globals(b)) == 0)
}

// aligns notes what one reference of code assumes.
func (in *includer) aligns(a *object.Atom, r *object.Ref, uses *alignedUses, seen map[object.AtomID]*placement) {
	n := extraction.Aligned{Pre: object.NoAtom, Off: r.TargetOff, Align: uses.at[r.Offset], Function: a.Name, At: r.Offset}
	if r.Target == object.NoAtom {
		if n.Name = in.Post.Symbol(r.Sym).Name; n.Align > 1 && !r.Implicit {
			in.carried.Aligned = append(in.carried.Aligned, n)
		}
		return
	}
	t := &in.Post.Atoms[r.Target]
	if n.Pre = in.twins.Pre[t.ID]; n.Pre == object.NoAtom || in.carried.Included[t.ID] || t.Kind == object.Func || t.IsLiteral() {
		return
	}
	if n.Align > 1 && t.Kind != object.TLS {
		in.carried.Aligned = append(in.carried.Aligned, n)
	}
	p := seen[t.ID]
	if p == nil {
		p = &placement{size: t.Size}
		_, p.has = alignment(in.Pre, &in.Pre.Atoms[n.Pre])
		p.sure, p.may = alignment(in.Post, t)
		seen[t.ID] = p
	}
	in.assumes(t, n.Pre, p, uses)
}

// assumes notes, once, that code may assume more of an object than it has.
func (in *includer) assumes(t *object.Atom, pre object.AtomID, p *placement, uses *alignedUses) {
	need := p.needs(uses)
	if need <= p.has || p.told {
		return
	}
	p.told = true
	if t.Kind == object.TLS {
		in.report(findingAt(in.Post, CodeAlignment, t.ID, 0, "post aligns it to %d bytes, and the running program as pre does", need))
		return
	}
	in.carried.Aligned = append(in.carried.Aligned, extraction.Aligned{Pre: pre, Align: need})
}

// needs returns the alignment that code may rely on for an object: what post shows it
// to have, or, where its place may have it by chance, what the code demands of any
// object through a register. Nothing larger than the object is accessed there.
func (p *placement) needs(uses *alignedUses) uint64 {
	if p.sure > p.has {
		return p.sure
	}
	if p.size == 0 {
		return 1
	}
	return min(p.may, uses.most, uint64(1)<<(bits.Len64(p.size)-1))
}

// alignment returns the alignment that an object was given: at least the first, which
// the padding in front of it shows, and at most the second, which its place has. Both
// are the same where it has a section of its own.
func alignment(o *object.Object, a *object.Atom) (least, most uint64) {
	all := o.SectionRange(a.Section)
	most = extraction.AlignAt(o.File.Sections[a.Section].Addralign, a.Offset)
	if all.Hi-all.Lo == 1 || onlyAligned(o, a, most) {
		return most, most
	}
	end := uint64(0)
	if a.ID > all.Lo {
		end = o.Atoms[a.ID-1].End()
	}
	if end >= a.Offset {
		return 1, most
	}
	least = uint64(1) << bits.Len64(a.Offset-end-1)
	for least < most && (end+least-1)&^(least-1) != a.Offset {
		least <<= 1
	}
	if (end+least-1)&^(least-1) != a.Offset {
		return 1, most // no alignment makes that gap
	}
	return least, most
}

// onlyAligned reports whether an object is the first in its section, and no other
// stands where it would have the section's alignment.
func onlyAligned(o *object.Object, a *object.Atom, align uint64) bool {
	all := o.SectionRange(a.Section)
	if a.ID != all.Lo || align != o.File.Sections[a.Section].Addralign {
		return false
	}
	return !slices.ContainsFunc(o.Atoms[all.Lo+1:all.Hi], func(b object.Atom) bool { return b.Offset%max(align, 1) == 0 })
}

// alignedUses are the accesses of a function that fault where memory is not aligned.
type alignedUses struct {
	at   map[uint64]uint64 // by offset of the field that names the place
	most uint64            // through a register that is not the stack's
}

// usesOf decodes a function. Where it has a frame, %rbp is the stack's.
func usesOf(a *object.Atom) (u alignedUses) {
	u.most = 1
	frame := hasFrame(a.Bytes)
	next := 0
	for off := uint64(0); off < uint64(len(a.Bytes)); {
		in, err := amd64.Decode(a.Bytes[off:])
		if err != nil {
			break // it is refused
		}
		end := off + uint64(in.Len)
		named := false
		align := in.MemAlign(a.Bytes[off:])
		for ; next < len(a.Refs) && a.Refs[next].Offset < end; next++ {
			if align > 1 && a.Refs[next].Offset == off+uint64(in.DispOff) && in.DispLen > 0 {
				if u.at == nil {
					u.at = map[uint64]uint64{}
				}
				u.at[a.Refs[next].Offset], named = align, true
			}
		}
		if base, ok := in.Base(a.Bytes[off:]); ok && align > u.most && !named && base != 4 && (base != 5 || !frame) {
			u.most = align
		}
		off = end
	}
	return u
}

// hasFrame reports whether a function begins with the making of a frame: push %rbp;
// mov %rsp,%rbp, in one of its two encodings.
func hasFrame(code []byte) bool {
	for off, pushed := 0, false; off < min(len(code), 48); {
		in, err := amd64.Decode(code[off:])
		if err != nil {
			return false
		}
		b := code[off : off+int(in.Len)]
		switch {
		case len(b) == 1 && b[0] == 0x55:
			pushed = true
		case pushed && len(b) == 3 && b[0] == 0x48 && (b[1] == 0x89 && b[2] == 0xe5 || b[1] == 0x8b && b[2] == 0xec):
			return true
		}
		off += int(in.Len)
	}
	return false
}
