package hazard

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// A Frame is what the code of a function takes of the stack by itself.
type Frame struct {
	Size   int64 // bytes, of one subtraction from the stack pointer at most
	Varies bool  // it depends on values at run time too
}

// FrameOf reads it. Pushes do not count: they are few.
func FrameOf(a *object.Atom) (f Frame) {
	for off := uint64(0); off < uint64(len(a.Bytes)); {
		in, err := amd64.Decode(a.Bytes[off:])
		if err != nil {
			return f
		}
		f.add(in, a.Bytes[off:off+uint64(in.Len)])
		off += uint64(in.Len)
	}
	return f
}

const regSP = 4

func (f *Frame) add(in amd64.Inst, b []byte) {
	if in.Opcode.Map() != amd64.MapOne || in.ModRMOff == 0 {
		return
	}
	o := in.Operands(b)
	group := b[in.ModRMOff] >> 3 & 7
	switch op := in.Opcode.Byte(); {
	case o.Memory && (op != 0x8d || o.Reg != regSP || o.Base != regSP || o.Index != amd64.NoReg): // not lea n(%rsp),%rsp
	case op == 0x8d && o.Memory:
		f.grow(-number(b[in.DispOff:], in.DispLen))
	case (op == 0x81 || op == 0x83) && o.RM == regSP && group == 5: // sub $n,%rsp
		f.grow(number(b[in.ImmOff:], in.ImmLen))
	case (op == 0x81 || op == 0x83) && o.RM == regSP && group == 0:
		f.grow(-number(b[in.ImmOff:], in.ImmLen))
	case op == 0x29 && o.RM == regSP, op == 0x2b && o.Reg == regSP: // sub %reg,%rsp
		f.Varies = true
	}
}

func (f *Frame) grow(n int64) { f.Size = max(f.Size, n) }

// number reads a signed number of one byte or of four.
func number(b []byte, size uint8) int64 {
	switch size {
	case 1:
		return int64(int8(b[0]))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return 0
}
