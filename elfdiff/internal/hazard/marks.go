package hazard

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// A Mark is a number that functions put into memory, or a bit that they set there, and that others ask for. It has another value in post.
type Mark struct {
	Bit       bool
	Pre, Post int64
}

func (m Mark) String() string {
	if m.Bit {
		return fmt.Sprintf("the bits %#x, which pre has as %#x", m.Post, m.Pre)
	}
	return fmt.Sprintf("the number %d, which pre has as %d", m.Post, m.Pre)
}

// A constant is a number of an instruction.
type constant struct {
	bit   bool
	value int64
}

// Marks are the numbers that a function puts into memory, and those that it asks for, by how often.
type Marks struct{ puts, asks map[constant]int }

// MarksOf reads them.
func MarksOf(o *object.Object, id object.AtomID) Marks {
	m := Marks{map[constant]int{}, map[constant]int{}}
	for k := range instructions(o, &o.Atoms[id]) {
		c, puts, ok := constantOf(k)
		switch {
		case !ok || c.value == 0:
		case puts:
			m.puts[c]++
		default:
			m.asks[c]++
		}
	}
	return m
}

// Moved lists the marks that have another value in post: as often as pre has the old one, which post has no more.
func (m Marks) Moved(pre Marks) (puts, asks []Mark) {
	return moved(pre.puts, m.puts), moved(pre.asks, m.asks)
}

func moved(was, is map[constant]int) (list []Mark) {
	for a, n := range was {
		for b, k := range is {
			if a.bit == b.bit && n == k && is[a] == 0 && was[b] == 0 {
				list = append(list, Mark{a.bit, a.value, b.value})
			}
		}
	}
	return list
}

// constantOf tells the number that an instruction puts into memory, or asks for, or the bits that it sets there, or tests.
func constantOf(k *insn.Cursor) (c constant, puts, ok bool) {
	const group1, movTo, cmpA, test, testA = 0x80, 0xc6, 0x3c, 0xf6, 0xa8
	const or, cmp = 1, 7
	b, in := k.Bytes(), &k.Inst
	if in.Opcode.Map() != amd64.MapOne || in.ImmLen == 0 || len(k.Refs) > 0 && k.Refs[len(k.Refs)-1].Offset == k.Off+uint64(in.ImmOff) {
		return c, false, false
	}
	x, op := in.Operands(b), in.Opcode.Byte()
	if x.Memory && x.Base == stackReg {
		return c, false, false
	}
	by := byte(0)
	if in.ModRMOff > 0 {
		by = b[in.ModRMOff] >> 3 & 7
	}
	n := number(b[in.ImmOff:], in.ImmLen)
	switch {
	case op&^1 == movTo && x.Memory:
		return constant{false, n}, true, true
	case op&^3 == group1 && by == or && x.Memory:
		return constant{true, n}, true, true
	case op&^3 == group1 && by == cmp, op&^1 == cmpA:
		return constant{false, n}, false, true
	case op&^1 == test && by == 0, op&^1 == testA:
		return constant{true, n}, false, true
	}
	return c, false, false
}
