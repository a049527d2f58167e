package typediff

import (
	"maps"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// declared rules out what stays in memory, what functions return or take by value, and
// what a variable that is no parameter points to: where that comes from is not known.
func (p *stackProof) declared(s *dtypes.Side) {
	v := dtypes.VariablesOf(s.Object)
	rule := func(typ uint64, from int) {
		c, pointers := p.find(s, typ)
		if c == nil {
			p.nameless(s, typ)
		} else if pointers >= from {
			c.out = true
		}
	}
	for _, entry := range s.Index.Variables {
		v.Variable(entry, func(_ string, typ uint64) { rule(typ, 0) })
	}
	var e dwarf.Entry
	for _, entry := range s.Index.Functions {
		if !s.Data.Entry(&e, entry) {
			continue
		}
		rule(dtypes.TypeOf(&e), 0)
		dtypes.EachLocal(&e, func(x *dwarf.Entry, depth int) {
			v.Variable(x.Offset, func(_ string, typ uint64) {
				switch {
				case x.Tag == dwarf.TagFormalParameter && depth == 1 && p.isValue(s, typ):
					rule(typ, 0) // who calls it has one without a name
				case x.Tag == dwarf.TagFormalParameter:
					rule(typ, 2)
				case isStaticVariable(v, x):
					rule(typ, 0)
				case p.isPointer(s, typ, entry, &e): // a callback's, perhaps
				default:
					rule(typ, 1)
				}
			})
		})
	}
}

// isPointer notes a function with code of its own that has a pointer to a candidate in
// a variable: it may be a callback, which has it from what it is given.
func (p *stackProof) isPointer(s *dtypes.Side, typ, entry uint64, f *dwarf.Entry) bool {
	c, pointers := p.find(s, typ)
	if c == nil || pointers != 1 || !f.Has(dwarf.AttrLowPC) {
		return false
	}
	c.pointers[entry] = true
	return true
}

// isValue reports whether a type is a candidate itself.
func (p *stackProof) isValue(s *dtypes.Side, typ uint64) bool {
	c, pointers := p.find(s, typ)
	return c != nil && pointers == 0
}

// isStaticVariable reports whether a variable of a function has a place of its own in memory:
// it is declared elsewhere, or its location does not begin with one in a register or a
// frame (DWARF 5 section 7.7.1, table 7.9).
func isStaticVariable(v *dtypes.Variables, x *dwarf.Entry) bool {
	if x.Flag(dwarf.AttrExternal) || x.Flag(dwarf.AttrDeclaration) {
		return true
	}
	b, _, ok := x.Block(dwarf.AttrLocation)
	if !ok || len(b) == 0 {
		return false
	}
	const lit0, reg0, bregLast, fbreg, piece, implicit, entryValue, gnuEntryValue = 0x30, 0x50, 0x8f, 0x91, 0x93, 0x9e, 0xa3, 0xf3
	op := b[0]
	return !(op >= lit0 && op <= bregLast || op == fbreg || op == piece || op == implicit || op == entryValue || op == gnuEntryValue)
}

// functions notes which functions of pre have a variable of each type, or a pointer.
func (p *stackProof) functions() {
	s := p.f.c.Side[0]
	v := dtypes.VariablesOf(s.Object)
	for i := range p.f.d.Functions {
		ch := &p.f.d.Functions[i]
		a := s.Object.Atom(ch.Pre)
		if a == nil || a.Owner != object.NoAtom {
			continue
		}
		position := 0
		if f, ok := s.Index.FunctionAt(debug.Addr(a, 0)); ok {
			for _, c := range p.types {
				if c.pointers[f] {
					c.callbacks[a.ID] = true
					delete(c.pointers, f)
				}
			}
		}
		p.locals(s, v, a, func(c *stackType, x *dwarf.Entry, pointers, depth int) {
			if x.Tag == dwarf.TagFormalParameter && depth == 1 {
				position++
			}
			switch {
			case c == nil:
			case pointers == 1 && x.Tag == dwarf.TagVariable: // of a callback
			case pointers == 0:
				c.owners[a.ID] = true
			case depth == 1:
				c.takers[a.ID] = true
				if position <= len(argumentOrder) {
					c.registers[a.ID] |= 1 << (position - 1)
				}
			case x.Has(dwarf.AttrConstValue): // no pointer to one: a null
			default:
				c.inlines[a.ID] = true
			}
		})
	}
}

// strays rules out what functions without code that was found have pointers to.
func (p *stackProof) strays() {
	for _, c := range p.types {
		c.out = c.out || len(c.pointers) > 0
	}
}

// parts gives what is in other types the functions of these.
func (p *stackProof) parts() {
	for range dtypes.MaxDepth {
		more := false
		for _, c := range p.types {
			for _, h := range c.hosts {
				n := len(c.owners) + len(c.takers)
				maps.Copy(c.owners, h.owners)
				maps.Copy(c.takers, h.takers)
				more = more || len(c.owners)+len(c.takers) > n
			}
		}
		if !more {
			return
		}
	}
}

// locals yields what a function has of the candidates, and with nil what is of another
// type.
func (p *stackProof) locals(s *dtypes.Side, v *dtypes.Variables, a *object.Atom, yield func(c *stackType, x *dwarf.Entry, pointers, depth int)) {
	f, ok := s.Index.FunctionAt(debug.Addr(a, 0))
	var e dwarf.Entry
	if !ok || !s.Data.Entry(&e, f) {
		return
	}
	dtypes.EachLocal(&e, func(x *dwarf.Entry, depth int) {
		v.Variable(x.Offset, func(_ string, typ uint64) {
			c, pointers := p.find(s, typ)
			yield(c, x, pointers, depth)
		})
	})
}
