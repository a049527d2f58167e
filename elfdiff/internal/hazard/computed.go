package hazard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Computed are the pointers in objects and tables of which functions compute where they are, with how they do it.
type Computed struct {
	o    *object.Object
	done map[object.AtomID]map[string]map[string]uint64 // by the place, and how it is computed: an instruction
}

// ComputedOf prepares it for an object.
func ComputedOf(o *object.Object) *Computed {
	return &Computed{o, map[object.AtomID]map[string]map[string]uint64{}}
}

// Recomputed is a place that post computes in another way than pre.
type Recomputed struct{ Place, Pre, Post string }

// Compare orders them by place.
func (r Recomputed) Compare(x Recomputed) int {
	return cmp.Or(cmp.Compare(r.Place, x.Place), cmp.Compare(r.Pre, x.Pre), cmp.Compare(r.Post, x.Post))
}

// Recomputations lists them for a function and its twin, with the instruction of post: it goes nowhere in the way of pre any more.
func Recomputations(pre, post *Computed, p, q object.AtomID) map[Recomputed]uint64 {
	list := map[Recomputed]uint64{}
	was, is := pre.of(p), post.of(q)
	for place, ways := range is {
		for way, off := range ways {
			if _, same := was[place][way]; same || way == "" {
				continue
			}
			for old := range was[place] {
				if _, stays := ways[old]; !stays {
					list[Recomputed{place, old, way}] = off
				}
			}
		}
	}
	return list
}

func (c *Computed) of(id object.AtomID) map[string]map[string]uint64 {
	if m, ok := c.done[id]; ok {
		return m
	}
	m := map[string]map[string]uint64{}
	c.done[id] = m
	f := codeOf(c.o, &c.o.Atoms[id])
	if f == nil {
		return m
	}
	for i := range f.list {
		place, ok := f.indexed(i)
		if !ok {
			continue
		}
		x := f.list[i].Inst.Operands(f.list[i].Bytes())
		var ways []string
		for _, reg := range []int{x.Base, x.Index} {
			if reg != amd64.NoReg {
				ways = append(ways, f.arithmetic(i, reg)...)
			}
		}
		if m[place] == nil {
			m[place] = map[string]uint64{}
		}
		slices.Sort(ways)
		m[place][strings.Join(ways, ", ")] = f.list[i].Off
	}
	return m
}

// indexed tells the place that an instruction takes a pointer from, or stores one at, or makes the address of, where an index says how
// far behind it is.
func (c *code) indexed(i int) (string, bool) {
	const store, load, lea = 0x89, 0x8b, 0x8d
	k := &c.list[i]
	in, op := &k.Inst, k.Inst.Opcode.Byte()
	if in.Opcode.Map() != amd64.MapOne || op != store && op != load && op != lea || !in.Prefixes.Has(amd64.PrefixREXW) || in.DispLen == 0 || in.Prefixes&segments != 0 {
		return "", false
	}
	x := in.Operands(k.Bytes())
	if !x.Memory || x.Index == amd64.NoReg || x.Base == stackReg || op == lea && len(k.Refs) == 0 {
		return "", false // numbers are computed by lea too
	}
	place := c.name(k, 0)
	if len(k.Refs) == 0 {
		place = offset(number(k.Bytes()[in.DispOff:], in.DispLen))
	}
	return place, place != ""
}

// arithmetic lists the instructions that compute a register before another instruction, up to where they load it, or a branch leads.
func (c *code) arithmetic(at, reg int) (ways []string) {
	for i := at - 1; i >= 0; i-- {
		if c.led[c.list[i+1].Off] || c.list[i].Inst.IsBranch() && !isCall(&c.list[i].Inst) {
			break
		}
		k := &c.list[i]
		if isCall(&k.Inst) {
			if !slices.Contains(kept, reg) {
				break
			}
			continue
		}
		if way, ok := computes(k, reg); ok {
			if way != bounds {
				ways = append(ways, way)
			}
			continue
		}
		switch what, from, n := sets(k, reg); {
		case what == byCopy:
			reg = from
		case what == byAddress && len(k.Refs) == 0: // the sum of a register and a number
			x := k.Inst.Operands(k.Bytes())
			if x.Index != amd64.NoReg || x.Base == amd64.NoReg {
				return ways
			}
			ways, reg = append(ways, fmt.Sprintf("add %#x", n)), x.Base
		case what != byNothing:
			return ways
		}
	}
	return ways
}

func isCall(in *amd64.Inst) bool { return in.Class == amd64.Call || in.Class == amd64.CallInd }

// operations are those of the first group of opcodes, by their numbers (Intel SDM volume 2, table A-6).
var operations = [...]string{"add", "or", "", "", "and", "sub", "xor", ""}

// bounds is what keeps an index in bounds (array_index_nospec of include/linux/nospec.h), and leaves the others as they are.
const bounds = "and"

// shifts are likewise those of the second.
var shifts = [...]string{"rol", "ror", "", "", "shl", "shr", "", "sar"}

// computes says what an instruction makes of a register and a number, or of a register and another one.
func computes(k *insn.Cursor, reg int) (string, bool) {
	const group1, shift, shiftOne, adds = 0x83, 0xc1, 0xd1, 0x3f
	b, in := k.Bytes(), &k.Inst
	if in.Opcode.Map() != amd64.MapOne || in.ModRMOff == 0 {
		return "", false
	}
	x, op := in.Operands(b), in.Opcode.Byte()
	by := b[in.ModRMOff] >> 3 & 7
	switch {
	case op == group1 || op == group1-2:
		if x.RM == reg && operations[by] != "" {
			return fmt.Sprintf("%s %#x", operations[by], number(b[in.ImmOff:], in.ImmLen)), true
		}
	case op == shift && x.RM == reg && shifts[by] != "":
		return fmt.Sprintf("%s %#x", shifts[by], b[in.ImmOff]), true
	case op == shiftOne && x.RM == reg && shifts[by] != "":
		return shifts[by] + " 0x1", true
	case op <= adds && op&7 == 1 && x.RM == reg, op <= adds && op&7 == 3 && x.Reg == reg:
		if what := operations[op>>3]; what != "" {
			return what, true
		}
	}
	return "", false
}
