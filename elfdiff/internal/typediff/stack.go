package typediff

import (
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/dwarf"
	"github.com/gosplice/gosplice/internal/symname"
)

// A structure whose layout changed does no harm where old code never meets new code
// over one. Targets replace functions for a task, or a process, only while none of them
// is on its stacks. So a structure is safe that lives in automatic variables only, if
// every function with such a variable is replaced: while there is one of the old
// layout, its owner is on a stack, and all that it calls is old.
//
// That is proven by pre: code of pre that never gets to one but by the variables of
// functions on its own stack can't get to one that new code left behind either. What
// has to hold is a list of conditions, each of which takes a type out when it does not.
// What debug information can't tell counts against it: a pointer that is cast without
// being given a name leaves no trace there, so that numbers in code are asked too.

// stackProof looks for such types.
type stackProof struct {
	f     *typeFinder
	types map[uint64]*stackType // by the entry of pre
	calls *callees
	// listed are the types with names, and seen the others that were looked at.
	listed, seen map[uint64]bool
	linked       map[uint64]bool               // see isLinked
	numbers      [2]map[object.AtomID]operands // in code
	handed       map[object.AtomID]*handed
}

// operands returns the numbers in a function's code.
func (p *stackProof) operands(side int, a *object.Atom) operands {
	if p.numbers[side] == nil {
		p.numbers[side] = map[object.AtomID]operands{}
	}
	set, ok := p.numbers[side][a.ID]
	if !ok {
		set = operandsAt(p.f.c.Side[side].Object, a)
		p.numbers[side][a.ID] = set
	}
	return set
}

// stackType is one that is not ruled out so far.
type stackType struct {
	t     *Found
	out   bool
	hosts []*stackType // types that have it for a member
	// functions of pre: owners have a variable, takers a pointer as a parameter,
	// inlines only one of a function that was inlined.
	owners, takers, inlines map[object.AtomID]bool
	// registers are those in which takers get it, as in callees.foreign.
	registers map[object.AtomID]uint8
	// callbacks are functions that have a pointer in a variable of their own, and
	// pointers the entries of those that were not found yet.
	callbacks map[object.AtomID]bool
	pointers  map[uint64]bool
}

// maxStackTypes bounds of how many types it is proven, since each is looked for in all
// functions. A patch changes a few.
const maxStackTypes = 64

// onStacks marks the types of which it is proven that they live on stacks only.
func (f *typeFinder) onStacks() {
	p := &stackProof{f: f, types: map[uint64]*stackType{}}
	s := f.c.Side[0]
	for i := range f.list {
		t := &f.list[i]
		if len(p.types) < maxStackTypes && t.Kind == types.LayoutChanged && len(t.entries[0]) == 1 && len(t.Uses) > 0 && ownSource(s, t.entries[0][0]) && inC(s, t.entries[0][0]) {
			p.types[t.entries[0][0]] = &stackType{t: t, owners: map[object.AtomID]bool{}, takers: map[object.AtomID]bool{}, inlines: map[object.AtomID]bool{}, registers: map[object.AtomID]uint8{}, callbacks: map[object.AtomID]bool{}, pointers: map[uint64]bool{}}
		}
	}
	if len(p.types) == 0 {
		return
	}
	p.members(s)
	p.declared(s)
	p.functions()
	p.strays()
	p.parts()
	p.calls = calleesOf(s.Object)
	p.readHanded()
	p.judge()
	p.spread()
	for _, c := range p.types {
		c.t.OnStack = !c.out
	}
}

// inC reports whether a type is of a source in C: nothing is proven of other languages.
func inC(s *dtypes.Side, entry uint64) bool {
	var e dwarf.Entry
	if !s.Data.Entry(&e, entry) {
		return false
	}
	root := e.Unit().Root()
	return strings.HasSuffix(root.Name(), ".c")
}

// find returns the candidate that a type is, or an array of it is, or that pointers
// lead to, with their number.
func (p *stackProof) find(s *dtypes.Side, off uint64) (c *stackType, pointers int) {
	var t dtypes.Resolved
	for range dtypes.MaxDepth {
		if !s.Resolve(&t, off) || t.Tag == dwarf.TagNull {
			return nil, 0
		}
		switch t.Tag {
		case dwarf.TagPointer, dwarf.TagReference, dwarf.TagRvalueReference:
			pointers++
		case dwarf.TagArray:
		default:
			return p.types[t.Offset], pointers
		}
		off = dtypes.TypeOf(&t.Entry)
	}
	return nil, 0
}

// members rules out what another type points to, and what others can be linked to:
// it is then reached by way of data. What is in another type has the fate of that.
func (p *stackProof) members(s *dtypes.Side) {
	p.listed, p.seen, p.linked = map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
	for _, entry := range s.Index.Types {
		p.listed[entry] = true
	}
	var e, x dwarf.Entry
	for _, entry := range s.Index.Types {
		if !s.Data.Entry(&e, entry) || e.Tag == dwarf.TagEnumeration {
			continue
		}
		for r := dwarf.ChildrenOf(&e); dtypes.NextOf(&r, &x, dwarf.TagMember); {
			typ := dtypes.TypeOf(&x)
			c, pointers := p.find(s, typ)
			host := p.types[entry]
			switch {
			case c == nil:
				p.nameless(s, typ)
			case pointers > 0 || host == nil:
				c.out = true
			default:
				c.hosts = append(c.hosts, host)
			}
		}
	}
	for entry, c := range p.types {
		c.out = c.out || p.isLinked(s, entry, 0)
	}
}

// nameless rules out what is in a type that has no name, or is declared in a function
// or in another type, and what that points to. Each is looked at once.
func (p *stackProof) nameless(s *dtypes.Side, off uint64) {
	var e, x dwarf.Entry
	work := []uint64{pointedTo(s, off)}
	for len(work) > 0 {
		entry := work[len(work)-1]
		work = work[:len(work)-1]
		if entry == 0 || p.listed[entry] || p.seen[entry] || !isAggregate(s, entry) || !s.Data.Entry(&e, entry) {
			continue
		}
		p.seen[entry] = true
		for r := dwarf.ChildrenOf(&e); dtypes.NextOf(&r, &x, dwarf.TagMember); {
			if c, _ := p.find(s, dtypes.TypeOf(&x)); c != nil {
				c.out = true
			}
			work = append(work, pointedTo(s, dtypes.TypeOf(&x)))
		}
	}
}

// isLinked reports whether a structure has another in it that points to its own kind,
// as list_head, rb_node and work_struct do: then it can be found without its name.
func (p *stackProof) isLinked(s *dtypes.Side, entry uint64, depth int) bool {
	if known, ok := p.linked[entry]; ok {
		return known
	}
	var e, x dwarf.Entry
	if depth > dtypes.MaxDepth || !s.Data.Entry(&e, entry) {
		return true
	}
	out := false
	for r := dwarf.ChildrenOf(&e); !out && dtypes.NextOf(&r, &x, dwarf.TagMember); {
		typ := dtypes.TypeOf(&x)
		inner := element(s, typ)
		out = pointedTo(s, typ) == entry || inner != 0 && isAggregate(s, inner) && p.isLinked(s, inner, depth+1)
	}
	p.linked[entry] = out
	return out
}

func isAggregate(s *dtypes.Side, entry uint64) bool {
	var e dwarf.Entry
	return s.Data.Entry(&e, entry) && (dtypes.IsClass(e.Tag) || e.Tag == dwarf.TagUnion)
}

// judge asks the rest, type by type.
func (p *stackProof) judge() {
	post := p.newOwners()
	for _, c := range p.types {
		c.out = c.out || !p.replaced(c) || !p.fromOwners(c) || p.stored(c) || p.unnamed(c) || post[c.t.Name]
	}
}

// replaced reports whether all owners are, by functions that take effect themselves.
func (p *stackProof) replaced(c *stackType) bool {
	for i := range p.f.d.Functions {
		ch := &p.f.d.Functions[i]
		if ch.Pre != object.NoAtom && c.owners[ch.Pre] && (ch.Status != verdict.Changed || p.f.d.ByCallers[ch.Post]) {
			return false
		}
	}
	return len(c.owners) > 0
}

// newOwners returns the names of types of which new functions of post, that nothing
// looks for on stacks, have variables.
func (p *stackProof) newOwners() map[string]bool {
	s := p.f.c.Side[1]
	q := &stackProof{f: p.f, types: map[uint64]*stackType{}}
	for _, c := range p.types {
		for _, e := range c.t.entries[1] {
			q.types[e] = c
		}
	}
	out, v := map[string]bool{}, dtypes.VariablesOf(s.Object)
	for i := range p.f.d.Functions {
		ch := &p.f.d.Functions[i]
		a := s.Object.Atom(ch.Post)
		if a == nil || a.Owner != object.NoAtom || ch.Status == verdict.Changed && !p.f.d.ByCallers[ch.Post] {
			continue
		}
		q.locals(s, v, a, func(c *stackType, _ *dwarf.Entry, pointers, _ int) {
			if c != nil && pointers == 0 {
				out[c.t.Name] = true
			}
		})
	}
	return out
}

// fromOwners reports whether pointers come from variables of owners: those who take
// one are only called directly, by functions that have to do with the type, and with
// nothing for it that was just read from memory or returned. Variants of a function
// have their parameters elsewhere; those of the name isra may have what their callers
// read by the pointer instead of it.
func (p *stackProof) fromOwners(c *stackType) bool {
	changed := p.changed()
	for f := range c.inlines { // what is the same does the same with any layout
		if !c.owners[f] && !c.takers[f] && !c.callbacks[f] && changed[f] {
			return false
		}
	}
	o := p.f.c.Side[0].Object
	for f := range c.takers {
		base, _ := symname.Variant(o.Atoms[f].Name)
		name := o.Atoms[f].Name
		if !isStatic(o, base) || p.calls.taken[f] || strings.Contains(name, ".isra.") || base == name && p.calls.foreign[f]&c.registers[f] != 0 {
			return false
		}
		for _, caller := range p.calls.of[f] {
			if !c.owners[caller] && !c.takers[caller] && !c.callbacks[caller] {
				return false
			}
		}
	}
	for f := range c.callbacks {
		if !p.calls.passedOnly(o, f, c.owners) {
			return false
		}
	}
	return true
}

// changed returns the functions of pre that are not the same, by themselves or by a part.
func (p *stackProof) changed() map[object.AtomID]bool {
	out := map[object.AtomID]bool{}
	for i := range p.f.d.Functions {
		if ch := &p.f.d.Functions[i]; ch.Pre != object.NoAtom && ch.Status != verdict.Same {
			out[ch.Pre] = true
			if owner := p.f.d.Pre.Atom(ch.Pre).Owner; owner != object.NoAtom {
				out[owner] = true
			}
		}
	}
	return out
}

// stored reports whether code has the type's size where it may be for memory that
// stays: it is handed over to a function that gives memory, or, by a function with a
// variable or a pointer, to any that may copy.
func (p *stackProof) stored(c *stackType) bool {
	size := int64(c.t.Pre.Size)
	for f, h := range p.handed {
		if h.given[size] || (c.owners[f] || c.takers[f]) && h.copied[size] {
			return true
		}
	}
	return false
}

// readHanded reads the numbers that functions of pre hand over; those of a cold part
// are its owner's.
func (p *stackProof) readHanded() {
	p.handed = map[object.AtomID]*handed{}
	pre := p.f.d.Pre
	for i := range pre.Atoms {
		a := &pre.Atoms[i]
		if a.Kind != object.Func {
			continue
		}
		self := a.ID
		if a.Owner != object.NoAtom {
			self = a.Owner
		}
		if p.handed[self] == nil {
			p.handed[self] = &handed{map[int64]bool{}, map[int64]bool{}}
		}
		p.handed[self].read(pre, a)
	}
}

// unnamed reports whether a changed function that has nothing of the type, as far as
// debug information tells, has offsets of members in its code that changed as theirs
// did: it may use the type by a cast.
func (p *stackProof) unnamed(c *stackType) bool {
	for i := range p.f.d.Functions {
		ch := &p.f.d.Functions[i]
		if ch.Status != verdict.Changed || c.owners[ch.Pre] || c.takers[ch.Pre] || c.callbacks[ch.Pre] {
			continue
		}
		if a, b := p.f.d.Pre.Atom(ch.Pre), p.f.d.Post.Atom(ch.Post); a.Owner == object.NoAtom && movesIn(&c.t.Change, p.operands(0, a), p.operands(1, b)) {
			return true
		}
	}
	return false
}

// movesIn reports whether the numbers in code changed as a member did.
func movesIn(t *types.Change, pre, post operands) bool {
	return slices.ContainsFunc(t.Members, func(m types.MemberChange) bool {
		switch {
		case m.What == types.MemberRenamed:
			return false
		case m.Pre == nil:
			n := NumberOf(m.Post, t.Kind, 0)
			return post[n] && !pre[n]
		case m.Post == nil:
			n := NumberOf(m.Pre, t.Kind, 0)
			return pre[n] && !post[n]
		}
		a, b := NumberOf(m.Pre, t.Kind, 0), NumberOf(m.Post, t.Kind, 0)
		return pre[a] && post[b] && (a == b || !post[a] || !pre[b])
	})
}

// spread rules out what is in a type that is ruled out.
func (p *stackProof) spread() {
	for again := true; again; {
		again = false
		for _, c := range p.types {
			if !c.out && slices.ContainsFunc(c.hosts, func(h *stackType) bool { return h.out }) {
				c.out, again = true, true
			}
		}
	}
}
