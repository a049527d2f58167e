package keyed

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
)

// write returns the code as it will be, and the relocations of the branches.
func (c *code) write() (out []byte, relas []elfobj.Rela) {
	out = make([]byte, 0, c.end)
	for i := range c.list {
		x := &c.list[i]
		b := c.bytes[x.old : x.old+uint64(x.Len)]
		switch {
		case x.site != nil:
			out, relas = c.ask(out, relas, x.site)
		case !x.leads:
			out = append(out, b...)
		case x.size > uint64(x.Len):
			out = amd64.AppendNear(out, b, x.Inst, uint32(c.to(x)-x.now-x.size))
		default:
			out = append(out, b...)
			field := out[x.now+uint64(x.PCRelOff):]
			if d := c.to(x) - x.now - x.size; x.PCRelLen == 1 {
				field[0] = byte(d)
			} else {
				binary.LittleEndian.PutUint32(field, uint32(d))
			}
		}
	}
	return out, relas
}

// to is where an instruction will lead to: references has seen that it is somewhere.
func (c *code) to(x *inst) uint64 {
	to, err := c.moved(x.to)
	if err != nil {
		return x.to + x.now - x.old
	}
	return to
}

// ask writes what takes the place of a branch.
func (c *code) ask(out []byte, relas []elfobj.Rela, b *branch) ([]byte, []elfobj.Rela) {
	const askTail, jccTail = amd64.CmpZeroSize - amd64.CmpZeroDisp, amd64.JccRel32Size - amd64.JccRel32Disp
	relas = append(relas, elfobj.Rela{
		Offset: uint64(len(out)) + amd64.CmpZeroDisp, Type: amd64.PC32, Sym: b.key.Sym, Addend: b.key.Addend&^bits - askTail,
	})
	ask := amd64.CmpZero()
	out = append(out, ask[:]...)
	cond := amd64.CondNotZero
	if b.key.Addend&bitBranch != 0 {
		cond = amd64.CondZero
	}
	at := uint64(len(out))
	to := at + amd64.JccRel32Size
	if target := c.w.leads(&b.target); target.Section == c.sec {
		to, _ = c.moved(target.Offset) // references has seen it
	} else {
		relas = append(relas, elfobj.Rela{
			Offset: at + amd64.JccRel32Disp, Type: amd64.PC32, Sym: b.target.Sym, Addend: b.target.Addend - jccTail,
		})
	}
	jcc := amd64.JccRel32(cond, at, to)
	return append(out, jcc[:]...), relas
}
