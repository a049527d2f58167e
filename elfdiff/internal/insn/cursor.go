package insn

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Cursor reads the instructions of one function.
type Cursor struct {
	Object *object.Object
	Atom   *object.Atom
	Off    uint64
	next   int // into a.Refs
	Inst   amd64.Inst
	Refs   []object.Ref // of the instruction
}

// Load decodes the instruction at the cursor. It is false at the end.
func (k *Cursor) Load() (bool, error) {
	k.Inst, k.Refs = amd64.Inst{}, nil
	if k.Off >= uint64(len(k.Atom.Bytes)) {
		return false, nil
	}
	in, err := amd64.Decode(k.Atom.Bytes[k.Off:])
	if err != nil {
		return false, err
	}
	k.Inst = in
	first := k.next
	if first == 0 { // also where a cursor starts in the middle
		first, _ = slices.BinarySearchFunc(k.Atom.Refs, k.Off, func(r object.Ref, off uint64) int { return cmp.Compare(r.Offset, off) })
	}
	for first < len(k.Atom.Refs) && k.Atom.Refs[first].Offset < k.Off {
		first++
	}
	last := first
	for last < len(k.Atom.Refs) && k.Atom.Refs[last].Offset < k.Off+uint64(in.Len) {
		last++
	}
	k.next, k.Refs = first, k.Atom.Refs[first:last]
	return true, nil
}

// Bytes returns the bytes of the instruction.
func (k *Cursor) Bytes() []byte { return k.Atom.Bytes[k.Off : k.Off+uint64(k.Inst.Len)] }

// Advance goes on to the next instruction.
func (k *Cursor) Advance() { k.Off += uint64(k.Inst.Len) }

// SkipNops moves over padding.
func (k *Cursor) SkipNops() (skipped bool, err error) {
	for {
		ok, err := k.Load()
		if err != nil || !ok || k.Inst.Class != amd64.Nop || len(k.Refs) > 0 {
			return skipped, err
		}
		k.Advance()
		skipped = true
	}
}

// Prefixes returns what stands before the opcode, without the escape that only long
// jumps have.
func (k *Cursor) Prefixes() []byte { return bytes.TrimSuffix(k.Bytes()[:k.Inst.OpOff], []byte{0x0f}) }

// Relocates reports whether a relocation fills in the field at an offset of the
// instruction.
func (k *Cursor) Relocates(field uint8) bool {
	for i := range k.Refs {
		if k.Refs[i].Offset-k.Off == uint64(field) {
			return true
		}
	}
	return false
}
