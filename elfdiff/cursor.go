package elfdiff

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// cursor reads the instructions of one function.
type cursor struct {
	o    *object.Object
	a    *object.Atom
	off  uint64
	next int // into a.Refs
	in   amd64.Inst
	refs []object.Ref // of the instruction
}

// load decodes the instruction at the cursor. It is false at the end.
func (k *cursor) load() (bool, error) {
	k.in, k.refs = amd64.Inst{}, nil
	if k.off >= uint64(len(k.a.Bytes)) {
		return false, nil
	}
	in, err := amd64.Decode(k.a.Bytes[k.off:])
	if err != nil {
		return false, err
	}
	k.in = in
	first := k.next
	if first == 0 { // also where a cursor starts in the middle
		first, _ = slices.BinarySearchFunc(k.a.Refs, k.off, func(r object.Ref, off uint64) int { return cmp.Compare(r.Offset, off) })
	}
	for first < len(k.a.Refs) && k.a.Refs[first].Offset < k.off {
		first++
	}
	last := first
	for last < len(k.a.Refs) && k.a.Refs[last].Offset < k.off+uint64(in.Len) {
		last++
	}
	k.next, k.refs = first, k.a.Refs[first:last]
	return true, nil
}

func (k *cursor) bytes() []byte { return k.a.Bytes[k.off : k.off+uint64(k.in.Len)] }

func (k *cursor) advance() { k.off += uint64(k.in.Len) }

// skipNops moves over padding.
func (k *cursor) skipNops() (skipped bool, err error) {
	for {
		ok, err := k.load()
		if err != nil || !ok || k.in.Class != amd64.Nop || len(k.refs) > 0 {
			return skipped, err
		}
		k.advance()
		skipped = true
	}
}

// prefixes returns what stands before the opcode, without the escape that only long
// jumps have.
func (k *cursor) prefixes() []byte { return bytes.TrimSuffix(k.bytes()[:k.in.OpOff], []byte{0x0f}) }

// relocates reports whether a relocation fills in the field at an offset of the
// instruction.
func (k *cursor) relocates(field uint8) bool {
	for i := range k.refs {
		if k.refs[i].Offset-k.off == uint64(field) {
			return true
		}
	}
	return false
}
