package amd64

import (
	"encoding/binary"
	"fmt"
)

// A Howto is the recipe of one relocation type: which field it owns, what goes
// into the field, and when the result does not fit. The letters are those of
// the x86-64 psABI, section 4.4.1:
//
//	S  value of the symbol          A  addend
//	P  place: address of the field  B  load base
//	G  offset of the GOT slot       L  address of the PLT entry
//	Z  size of the symbol           GOT  address of the GOT
type Howto struct {
	Type     uint32   // number, ELF64_R_TYPE
	Name     string   // as readelf prints it in full: "R_X86_64_PC32"
	Size     uint8    // width of the field in bytes; 0 when there is no field
	PCRel    bool     // P is subtracted
	Overflow Overflow // when a result does not fit
	Expr     Expr     // what is computed, and what s means in Apply and Solve
}

// Overflow says which results fit in a field.
type Overflow uint8

const (
	Wraps    Overflow = iota // everything fits: 64-bit fields
	Signed                   // the field, sign-extended to 64 bits, must equal the result
	Unsigned                 // the field, zero-extended to 64 bits, must equal the result
	Bitfield                 // either of the two; psABI leaves 8 and 16 bits open, linkers accept both
)

// String returns a word that fits behind a comma in a message.
func (o Overflow) String() string {
	return [...]string{"modulo 2^64", "signed", "unsigned", "signed or unsigned"}[o&3]
}

// Expr is the expression of a relocation type. Apply and Solve see it as
// s + A or s + A - P; what s has to be is said with each.
type Expr uint8

const (
	ExprNone     Expr = iota // nothing is computed; a marker
	ExprAbs                  // S + A: s is the symbol's value
	ExprPC                   // S + A - P: s is the symbol's value
	ExprPLT                  // L + A - P: s is the PLT entry, or the symbol's value when it needs no PLT
	ExprSym                  // S: s is the symbol's value, and A is not used
	ExprBase                 // B + A: s is the load base, for an image linked at 0
	ExprGOT                  // G + A: s is the slot's offset from GOT
	ExprGOTPC                // G + GOT + A - P: s is the address of the GOT slot, or for a relaxed load of the symbol
	ExprGOTBase              // GOT + A - P: s is the address of the GOT
	ExprGOTOff               // S + A - GOT: s is the symbol's distance from the GOT
	ExprPLTOff               // L - GOT + A: s is the PLT entry's distance from the GOT
	ExprSize                 // Z + A: s is the symbol's size
	ExprTLSGD                // GOT slot pair of module and offset, PC-relative: s is its address
	ExprTLSLD                // GOT slot pair of the module itself, PC-relative: s is its address
	ExprTPSlot               // GOT slot that holds the TP offset, PC-relative: s is its address
	ExprDescSlot             // GOT slot pair of a TLS descriptor, PC-relative: s is its address
	ExprDTPMod               // the TLS module's number: s is that, and A is not used
	ExprDTPOff               // s is the symbol's offset in its TLS block
	ExprTPOff                // s is the symbol's offset from the thread pointer (negative)
	ExprCopy                 // the symbol's bytes are copied: cannot be applied to a field
	ExprDesc                 // two words, function and argument: cannot be applied to a field
	ExprIndirect             // what the resolver at B + A returns: cannot be applied to a field

	numExprs
)

// String returns the expression as the psABI writes it.
func (e Expr) String() string {
	if e < numExprs {
		return exprTable[e].text
	}
	return "Expr(?)"
}

var exprTable = [numExprs]struct {
	text     string
	noAddend bool // s alone
	foreign  bool // the result is not one word that could be computed here
}{
	ExprNone:     {text: "none"},
	ExprAbs:      {text: "S + A"},
	ExprPC:       {text: "S + A - P"},
	ExprPLT:      {text: "L + A - P"},
	ExprSym:      {text: "S", noAddend: true},
	ExprBase:     {text: "B + A"},
	ExprGOT:      {text: "G + A"},
	ExprGOTPC:    {text: "G + GOT + A - P"},
	ExprGOTBase:  {text: "GOT + A - P"},
	ExprGOTOff:   {text: "S + A - GOT"},
	ExprPLTOff:   {text: "L - GOT + A"},
	ExprSize:     {text: "Z + A"},
	ExprTLSGD:    {text: "tlsgd(S) + A - P"},
	ExprTLSLD:    {text: "tlsld + A - P"},
	ExprTPSlot:   {text: "gottpoff(S) + A - P"},
	ExprDescSlot: {text: "tlsdesc(S) + A - P"},
	ExprDTPMod:   {text: "module(S)", noAddend: true},
	ExprDTPOff:   {text: "dtpoff(S) + A"},
	ExprTPOff:    {text: "tpoff(S) + A"},
	ExprCopy:     {text: "copy", foreign: true},
	ExprDesc:     {text: "descriptor(S + A)", foreign: true},
	ExprIndirect: {text: "indirect(B + A)", foreign: true},
}

// Apply computes the field from s, the addend a and the place p (address of
// the field), and stores it little-endian in the first h.Size bytes of field.
// What s has to be is said by h.Expr. Nothing is stored when it returns an
// error: an [OverflowError] when the result does not fit, an error that is
// [ErrShortField], or, for COPY, TLSDESC and IRELATIVE, whose result can't be
// computed from s, one that is [ErrNoField].
//
// Types without a field (NONE, TLSDESC_CALL) succeed and do nothing.
func (h *Howto) Apply(field []byte, s uint64, a int64, p uint64) error {
	if exprTable[h.Expr].foreign {
		return fmt.Errorf("%s at %#x, %s: %w", h.Name, p, h.Expr, ErrNoField)
	}
	if len(field) < int(h.Size) {
		return fmt.Errorf("%s at %#x: %d bytes of %d: %w", h.Name, p, len(field), h.Size, ErrShortField)
	}
	v := s
	if !exprTable[h.Expr].noAddend {
		v += uint64(a)
	}
	if h.PCRel {
		v -= p
	}
	if !h.fits(v) {
		return &OverflowError{Howto: h, Value: v, Place: p}
	}
	switch h.Size {
	case 1:
		field[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(field, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(field, uint32(v))
	case 8:
		binary.LittleEndian.PutUint64(field, v)
	}
	return nil
}

// Solve is the inverse of [Howto.Apply]: the s that, with the addend a and the
// place p, gives the field. The field is extended to 64 bits as the overflow
// rule of the type says (a Bitfield like an unsigned one), and the sum is
// modulo 2^64, so that also the PC-relative references of the kernel to its
// per-CPU offsets near 0 come out right.
//
// The answer is the only one, given that the field did not overflow; for
// Bitfield only its low 8*h.Size bits are certain.
func (h *Howto) Solve(field []byte, a int64, p uint64) (uint64, error) {
	if h.Size == 0 || exprTable[h.Expr].foreign {
		return 0, fmt.Errorf("%s at %#x, %s: %w", h.Name, p, h.Expr, ErrNoField)
	}
	v, err := h.Value(field)
	if err != nil {
		return 0, err
	}
	if h.PCRel {
		v += p
	}
	if !exprTable[h.Expr].noAddend {
		v -= uint64(a)
	}
	return v, nil
}

// Value reads the field and extends it to 64 bits as the overflow rule of the
// type says.
func (h *Howto) Value(field []byte) (uint64, error) {
	if len(field) < int(h.Size) {
		return 0, fmt.Errorf("%s: %d bytes of %d: %w", h.Name, len(field), h.Size, ErrShortField)
	}
	signed := h.Overflow == Signed
	switch h.Size {
	case 1:
		if signed {
			return uint64(int8(field[0])), nil
		}
		return uint64(field[0]), nil
	case 2:
		v := binary.LittleEndian.Uint16(field)
		if signed {
			return uint64(int16(v)), nil
		}
		return uint64(v), nil
	case 4:
		v := binary.LittleEndian.Uint32(field)
		if signed {
			return uint64(int32(v)), nil
		}
		return uint64(v), nil
	case 8:
		return binary.LittleEndian.Uint64(field), nil
	}
	return 0, nil
}

// fits tells whether v can be stored without loss under the overflow rule.
func (h *Howto) fits(v uint64) bool {
	if h.Overflow == Wraps {
		return true
	}
	shift := 64 - 8*uint(h.Size)
	zero := v<<shift>>shift == v
	sign := uint64(int64(v<<shift)>>shift) == v
	switch h.Overflow {
	case Signed:
		return sign
	case Unsigned:
		return zero
	default:
		return sign || zero
	}
}
