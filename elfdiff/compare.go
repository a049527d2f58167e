package elfdiff

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"
)

// Options adjusts a comparison. The zero value is strict.
type Options struct{}

// Compare decides for every function and data object of post whether it is
// the same as in pre, changed, new or removed, and whether the changes can be
// carried. Both objects should come from one compiler with the same options;
// -ffunction-sections and -fdata-sections make the result more certain, but
// are not needed.
//
// What is not a change: other addresses and section orders, references through
// a section symbol instead of a symbol, merged string offsets, renumbered
// static locals and compiler-made suffixes, padding, the width of jumps, and
// line numbers, where the debug information of both objects proves them.
func Compare(pre, post *Object, _ Options) (*Diff, error) {
	if a, b := pre.File.Machine, post.File.Machine; a != b {
		return nil, fmt.Errorf("compare: pre is for %v, post for %v", a, b)
	}
	d := &Diff{Pre: pre, Post: post, twins: correlate(pre, post), included: make([]bool, len(post.Atoms))}
	j := &judge{Diff: d, refused: map[Finding]bool{}, c: &comparer{
		pre: pre, post: post, twins: d.twins,
		literals: map[[2]AtomID]bool{}, lines: new(lineTables),
	}}
	j.index = slices.Repeat([]int32{-1}, len(post.Atoms))
	j.pairs()
	j.exceptions()
	j.propagate()
	j.others()
	j.compilers()
	j.tables()
	j.include()
	return d, nil
}

// judge is the state of one comparison.
type judge struct {
	*Diff
	c     *comparer
	list  []Change // verdicts on the pairs, by pre's id
	index []int32  // into list, by post's id
	carry []AtomID // changed constants that travel as copies
	// refused holds the codes and places of the refusals so far.
	refused map[Finding]bool
}

// pairs compares all twins.
func (j *judge) pairs() {
	for id := range j.Pre.Atoms {
		twin := j.twins.post[id]
		if twin == NoAtom {
			continue
		}
		a, b := &j.Pre.Atoms[id], &j.Post.Atoms[twin]
		ch := Change{Name: a.Name, Kind: b.Kind, Pre: a.ID, Post: b.ID, Rule: j.twins.rule[id]}
		if a.Kind == Func {
			r, incidental := j.c.function(a, b)
			ch.Incidental = incidental
			if r != nil {
				ch.Status, ch.Reasons = Changed, []Reason{*r}
			}
		} else if r := j.c.data(a, b); r != nil {
			ch.Status, ch.Reasons = Changed, []Reason{*r}
		}
		j.index[twin] = int32(len(j.list))
		j.list = append(j.list, ch)
	}
}

// data compares two data objects.
func (c *comparer) data(a, b *Atom) *Reason {
	switch {
	case a.Kind != b.Kind:
		return &Reason{Code: ReasonKind, PreText: a.Kind.String(), PostText: b.Kind.String()}
	case a.Size != b.Size:
		return &Reason{Code: ReasonSize, PreText: fmt.Sprintf("%d bytes", a.Size), PostText: fmt.Sprintf("%d bytes", b.Size)}
	case a.NoBits || b.NoBits:
		if isZero(a) && isZero(b) {
			return nil
		}
		return &Reason{Code: ReasonBytes, Detail: "zero on one side"}
	}
	c.pending = c.pending[:0]
	for i := 0; i < max(len(a.Refs), len(b.Refs)); i++ {
		if i >= len(a.Refs) || i >= len(b.Refs) || a.Refs[i].Offset != b.Refs[i].Offset {
			return c.firstRef(a, b, i)
		}
		if code := c.refs(&a.Refs[i], &b.Refs[i]); code != "" {
			return c.refReason(code, a, b, i)
		}
	}
	if !sameOutside(a.Bytes, b.Bytes, a.Refs) {
		return bytesReason(a, b)
	}
	return c.settle(nil)
}

func isZero(a *Atom) bool {
	return len(a.Refs) == 0 && (a.NoBits || len(bytes.Trim(a.Bytes, "\x00")) == 0)
}

func (c *comparer) refReason(code ReasonCode, a, b *Atom, i int) *Reason {
	x, y := &a.Refs[i], &b.Refs[i]
	return &Reason{Code: code, PreOffset: x.Offset, PostOffset: y.Offset, PreText: c.pre.refText(x), PostText: c.post.refText(y)}
}

// firstRef explains that one side has a reference where the other has none.
func (c *comparer) firstRef(a, b *Atom, i int) *Reason {
	r := &Reason{Code: ReasonReference, PreText: "no reference", PostText: "no reference"}
	if i < len(a.Refs) && (i >= len(b.Refs) || a.Refs[i].Offset < b.Refs[i].Offset) {
		r.PreOffset, r.PreText = a.Refs[i].Offset, c.pre.refText(&a.Refs[i])
		r.PostOffset = r.PreOffset
	} else {
		r.PostOffset, r.PostText = b.Refs[i].Offset, c.post.refText(&b.Refs[i])
		r.PreOffset = r.PostOffset
	}
	return r
}

// bytesReason shows the first bytes that differ.
func bytesReason(a, b *Atom) *Reason {
	i := 0
	for i < len(a.Bytes) && i < len(b.Bytes) && a.Bytes[i] == b.Bytes[i] {
		i++
	}
	show := func(s []byte) string { return fmt.Sprintf("% x", s[i:min(i+8, len(s))]) }
	return &Reason{Code: ReasonBytes, PreOffset: uint64(i), PostOffset: uint64(i), PreText: show(a.Bytes), PostText: show(b.Bytes)}
}

// exceptions compares the exception tables of functions: .eh_frame leads from
// the code to its LSDA.
func (j *judge) exceptions() {
	pre, post := j.Pre.lsdas(), j.Post.lsdas()
	for i := range j.list {
		ch := &j.list[i]
		a, b := pre[ch.Pre], post[ch.Post]
		if ch.Kind != Func || ch.Status == Changed || a == nil && b == nil {
			continue
		}
		if a == nil || b == nil || j.c.refs(a, b) != "" || j.c.settle(nil) != nil {
			j.changed(ch.Post, Reason{Code: ReasonException, Detail: "the exception table differs"})
		}
	}
}

// lsdas maps functions to the references to their exception tables.
func (o *Object) lsdas() map[AtomID]*Ref {
	m := map[AtomID]*Ref{}
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if a.Kind != Unwind || a.Owner == NoAtom {
			continue
		}
		for k := range a.Refs {
			if t := a.Refs[k].Target; t != NoAtom && o.Atoms[t].Kind == LSDA {
				m[a.Owner] = &a.Refs[k]
			}
		}
	}
	return m
}

// changed turns the verdict on a pair, and reports whether it was new.
func (j *judge) changed(post AtomID, r Reason) bool {
	i := j.index[post]
	if i < 0 || j.list[i].Status == Changed {
		return false
	}
	j.list[i].Status = Changed
	j.list[i].Reasons = append(j.list[i].Reasons, r)
	return true
}

// propagate spreads changes until nothing is added: between a function and its
// cold part, and from a constant to the functions that use it, which need the
// copy that travels.
func (j *judge) propagate() {
	var work []AtomID
	for i := range j.list {
		if j.list[i].Status == Changed {
			work = append(work, j.list[i].Post)
		}
	}
	cold := map[AtomID][]AtomID{}
	for id, a := range j.Post.Functions() {
		if a.Owner != NoAtom {
			cold[a.Owner] = append(cold[a.Owner], id)
		}
	}
	add := func(id AtomID, r Reason) {
		if j.changed(id, r) {
			work = append(work, id)
		}
	}
	for len(work) > 0 {
		id := work[0]
		work = work[1:]
		switch a := &j.Post.Atoms[id]; a.Kind {
		case Func:
			if a.Owner != NoAtom {
				add(a.Owner, Reason{Code: ReasonCold, Detail: a.Name + " changed"})
			}
			for _, c := range cold[id] {
				add(c, Reason{Code: ReasonParent, Detail: a.Name + " changed"})
			}
		case Const:
			users, ok := j.copyable(id)
			if !ok {
				continue // include refuses it
			}
			j.carry = append(j.carry, id)
			for _, u := range users {
				add(u, Reason{Code: ReasonConstant, Detail: "it uses " + a.Name + ", which changed"})
			}
		}
	}
}

// copyable reports whether a changed constant can travel as a copy: nothing
// but functions of this object can see it, directly or through literals.
// It returns these functions.
func (j *judge) copyable(id AtomID) ([]AtomID, bool) {
	var users []AtomID
	seen := map[AtomID]bool{id: true}
	for work := []AtomID{id}; len(work) > 0; work = work[1:] {
		a := &j.Post.Atoms[work[0]]
		if !isLiteral(a) && !j.Post.isLocal(a) {
			return nil, false
		}
		for _, u := range j.Post.users[a.ID] {
			if seen[u] {
				continue
			}
			seen[u] = true
			switch b := &j.Post.Atoms[u]; {
			case b.Kind == Func:
				users = append(users, u)
			case isLiteral(b):
				work = append(work, u)
			case b.Kind == Unwind || b.Kind == Meta:
			default:
				return nil, false
			}
		}
	}
	if pre := j.twins.pre[id]; pre != NoAtom && j.Pre.Atoms[pre].Kind != Const {
		return nil, false
	}
	return users, true
}

// isLocal reports whether only this object can name the atom.
func (o *Object) isLocal(a *Atom) bool {
	for _, s := range a.Symbols {
		if o.symbols[s].Bind() != elf.STB_LOCAL {
			return false
		}
	}
	return true
}

// others adds the verdicts on what has no twin, and sorts all into Functions
// and Data.
func (j *judge) others() {
	put := func(ch Change) {
		if ch.Kind == Func {
			j.Functions = append(j.Functions, ch)
		} else {
			j.Data = append(j.Data, ch)
		}
	}
	i := 0
	for id := range j.Pre.Atoms {
		a := &j.Pre.Atoms[id]
		if i < len(j.list) && j.list[i].Pre == AtomID(id) {
			if a.Name != "" || j.list[i].Status != Same {
				put(j.list[i])
			}
			i++
			continue
		}
		if classOf(a) != 0 && a.Name != "" && !isLiteral(a) {
			put(Change{Name: a.Name, Kind: a.Kind, Pre: a.ID, Post: NoAtom, Status: Removed})
			j.removed(a)
		}
	}
	for id := range j.Post.Atoms {
		a := &j.Post.Atoms[id]
		if j.twins.pre[id] == NoAtom && classOf(a) != 0 && a.Name != "" && !isLiteral(a) {
			put(Change{Name: a.Name, Kind: a.Kind, Pre: NoAtom, Post: a.ID, Status: New})
		}
	}
}

func (j *judge) removed(a *Atom) {
	if a.Kind == Data {
		j.find(j.Pre.finding(CodeUnreferencedState, a.ID, 0, "post has no such variable"))
		return
	}
	j.find(j.Pre.finding(CodeRemoved, a.ID, 0, "post has no such %s", a.Kind))
}

// compilers compares what the compilers left in .comment.
func (j *judge) compilers() {
	a, b := j.Pre.comment(), j.Post.comment()
	if !bytes.Equal(a, b) {
		clean := func(s []byte) []byte { return bytes.Trim(bytes.ReplaceAll(s, []byte{0}, []byte{' '}), " ") }
		j.find(j.Post.finding(CodeCompiler, NoAtom, 0, "pre was made by %q, post by %q", clean(a), clean(b)))
	}
}

func (o *Object) comment() []byte {
	for s := range o.File.SectionsNamed(".comment") {
		if b, err := s.Data(); err == nil {
			return b
		}
	}
	return nil
}
