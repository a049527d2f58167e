package explain

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/align"
	"github.com/gosplice/gosplice/internal/amd64"
)

// instruction is one instruction of a function, for counting.
type instruction struct {
	off    uint64
	refs   []object.Ref
	target int64 // of a branch inside the function; -1 for others
	twin   int   // index of the one on the other side that is equal, or -1
}

// counter puts two functions side by side as a listing does, without a text.
type counter struct {
	c    *compare.Comparer
	ids  map[string]int32 // of instructions that may be equal
	side [2][]instruction
	key  []byte
}

// differing yields the instructions that differ between two functions, by their
// side and offset: those of post, and where pre has more of them those of pre.
func (d *Pair) differing(ch *verdict.Change, yield func(side int, off uint64)) {
	n := &counter{c: compare.NewComparer(d.Pre, d.Post, correlate.Twins{Pre: d.PreOf, Post: d.PostOf}), ids: map[string]int32{}}
	pre, post := n.read(0, d.Pre, d.Pre.Atom(ch.Pre)), n.read(1, d.Post, d.Post.Atom(ch.Post))
	align.Sequences(pre, post, func(i, j int) { n.side[0][i].twin, n.side[1][j].twin = j, i })
	a, b := n.side[0], n.side[1]
	for i, j := 0, 0; i < len(a) || j < len(b); {
		p, q := leading(a[i:]), leading(b[j:])
		for k := range q {
			yield(1, b[j+k].off)
		}
		for k := q; k < p; k++ {
			yield(0, a[i+k].off)
		}
		if i, j = i+p, j+q; i < len(a) && j < len(b) {
			if n.differ(&a[i], &b[j]) {
				yield(1, b[j].off)
			}
			i, j = i+1, j+1
		}
	}
}

// leading returns how many instructions come before the next that has a twin.
func leading(list []instruction) int {
	i := slices.IndexFunc(list, func(r instruction) bool { return r.twin >= 0 })
	if i < 0 {
		return len(list)
	}
	return i
}

// read lists the instructions of a function, up to one that can't be decoded,
// and numbers them: equal ones have equal numbers.
func (n *counter) read(side int, o *object.Object, a *object.Atom) []int32 {
	var numbers []int32
	k := insn.Cursor{Object: o, Atom: a}
	for {
		if ok, err := k.Load(); !ok || err != nil {
			return numbers
		}
		r := instruction{off: k.Off, refs: k.Refs, target: -1, twin: -1}
		if to, ok := amd64.PCRelTarget(k.Inst, k.Bytes(), k.Off); ok && len(k.Refs) == 0 {
			r.target = int64(to)
		}
		n.shape(side, &k)
		id, ok := n.ids[string(n.key)]
		if !ok {
			id = int32(len(n.ids))
			n.ids[string(n.key)] = id
		}
		numbers = append(numbers, id)
		n.side[side] = append(n.side[side], r)
		k.Advance()
	}
}

// shape makes the key of an instruction: what it does, and what it refers to,
// without what padding and placement change.
func (n *counter) shape(side int, k *insn.Cursor) {
	n.key = n.key[:0]
	if k.Inst.IsBranch() {
		n.key = append(n.key, byte(k.Inst.Class), byte(k.Inst.Cond))
	} else {
		n.key = append(n.key, k.Bytes()...)
		for i := range k.Refs {
			off := k.Refs[i].Offset - k.Off
			end := min(off+uint64(amd64.FieldSize(k.Refs[i].Type)), uint64(k.Inst.Len))
			clear(n.key[min(off, end):end])
		}
	}
	for i := range k.Refs {
		n.reference(side, &k.Refs[i])
	}
}

// reference adds what a reference means, so that the same thing is the same on
// both sides. Constants are compared later.
func (n *counter) reference(side int, r *object.Ref) {
	o := [2]*object.Object{n.c.Pre, n.c.Post}[side]
	switch id := r.Target; {
	case id == object.NoAtom:
		n.key = append(append(n.key, 'n'), o.Symbols()[r.Sym].Name...)
	case o.Atoms[id].IsLiteral():
		n.key = append(n.key, 'l')
		return
	case side == 1 && n.c.Twins.Pre[id] == object.NoAtom:
		n.key = append(append(n.key, 'p'), o.Atoms[id].Name...)
	case side == 1:
		n.key = binary.LittleEndian.AppendUint32(append(n.key, 't'), uint32(n.c.Twins.Pre[id]))
	default:
		n.key = binary.LittleEndian.AppendUint32(append(n.key, 't'), uint32(id))
	}
	n.key = binary.LittleEndian.AppendUint64(n.key, uint64(r.TargetOff))
}

// differ looks closer at two instructions that have one number.
func (n *counter) differ(a, b *instruction) bool {
	for i := range a.refs {
		n.c.Pending = n.c.Pending[:0]
		if i >= len(b.refs) || n.c.Refs(&a.refs[i], &b.refs[i]) != "" {
			return true
		}
	}
	if a.target < 0 || b.target < 0 {
		return a.target != b.target
	}
	find := func(list []instruction, off int64) (int, bool) {
		return slices.BinarySearchFunc(list, uint64(off), func(r instruction, off uint64) int { return cmp.Compare(r.off, off) })
	}
	i, ok1 := find(n.side[0], a.target)
	j, ok2 := find(n.side[1], b.target)
	return !ok1 || !ok2 || n.side[0][i].twin != j
}
