package debug

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// InlineMap says for the code of one function which function of the source it
// is from.
type InlineMap struct {
	// own is the function itself.
	Own dwarf.Function
	// calls are the inlined calls, in the order of debug information; from the
	// outside to the inside.
	Calls []Call
	// segments cut the function's code, by offset from the start of the atom.
	segments []inlineSegment
}

// Call is one call that was inlined.
type Call struct {
	dwarf.Function
	CallLine int // of the call
	Parent   int // the call that it is inside of, or OwnCode
}

// inlineSegment is code up to the next segment: of the call with that index,
// or of the function itself when it is negative.
type inlineSegment struct {
	lo   uint64
	call int
}

// OwnCode is the index of a segment that was not inlined.
const OwnCode = -1

// MaxNesting bounds how many inlined calls may cover one place. Compilers stop
// at some dozens.
const MaxNesting = 1 << 10

// InlineMapOf reads which parts of a function were inlined. It is nil when there
// is no debug information about the function.
func InlineMapOf(o *object.Object, f *object.Atom) *InlineMap {
	d := Info(o)
	x, _ := d.Index()
	if x == nil {
		return nil
	}
	entry, ok := x.FunctionAt(Addr(f, 0))
	if !ok {
		return nil
	}
	m := &InlineMap{Own: d.Function(entry)}
	var spans []inlineSpan
	var ranges []dwarf.Range
	around := []int{OwnCode} // by depth
	err := d.Inlined(entry, func(e *dwarf.Entry, depth int) bool {
		origin, _ := e.Ref(dwarf.AttrOrigin)
		line, _ := e.Int(dwarf.AttrCallLine)
		ranges = e.AppendRanges(ranges[:0])
		for _, r := range ranges {
			if r.Section == f.Section && r.Offset >= f.Offset && r.Offset < f.End() {
				lo := r.Offset - f.Offset
				spans = append(spans, inlineSpan{lo, lo + min(r.Size, f.Size-lo), depth, len(m.Calls)})
			}
		}
		around = append(around[:depth], len(m.Calls))
		m.Calls = append(m.Calls, Call{dwarf.Function{Entry: origin}, int(line), around[depth-1]})
		return true
	})
	if err != nil {
		return nil
	}
	m.cut(spans)
	names := map[uint64]dwarf.Function{}
	for i := range m.Calls {
		c := &m.Calls[i]
		if _, ok := names[c.Entry]; !ok {
			names[c.Entry] = d.Function(c.Entry)
		}
		c.Function = names[c.Entry]
	}
	return m
}

// Chain returns the calls that the code at an offset was inlined by, the
// innermost first. The parts that gcc splits off a function count as inlined
// into it; they are its own code.
func (m *InlineMap) Chain(off uint64) []*Call {
	var list []*Call
	for i := m.at(off); i != OwnCode; i = m.Calls[i].Parent {
		if m.Calls[i].Entry != m.Own.Entry {
			list = append(list, &m.Calls[i])
		}
	}
	return list
}

type inlineSpan struct {
	lo, hi uint64
	depth  int
	call   int
}

// cut makes segments of spans that lie in each other.
func (m *InlineMap) cut(spans []inlineSpan) {
	type event struct {
		at   uint64
		span int
		end  bool
	}
	var events []event
	for i, s := range spans {
		events = append(events, event{s.lo, i, false}, event{s.hi, i, true})
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	m.segments = []inlineSegment{{0, OwnCode}}
	var open []int
	for i := 0; i < len(events); {
		at := events[i].at
		for ; i < len(events) && events[i].at == at; i++ {
			e := events[i]
			if !e.end {
				open = append(open, e.span)
			} else if k := slices.Index(open, e.span); k >= 0 {
				open = slices.Delete(open, k, k+1)
			}
		}
		if len(open) > MaxNesting {
			m.segments = m.segments[:1]
			return
		}
		inner := inlineSegment{at, OwnCode}
		deepest := 0
		for _, s := range open {
			if spans[s].depth > deepest {
				deepest, inner.call = spans[s].depth, spans[s].call
			}
		}
		if last := &m.segments[len(m.segments)-1]; last.lo == at {
			*last = inner
		} else {
			m.segments = append(m.segments, inner)
		}
	}
}

// at returns the index of the innermost call that the code at an offset was
// inlined by, or OwnCode.
func (m *InlineMap) at(off uint64) int {
	i, _ := slices.BinarySearchFunc(m.segments, off, func(s inlineSegment, off uint64) int {
		if s.lo <= off {
			return -1
		}
		return 1
	})
	return m.segments[i-1].call
}

// inliners lists for each function of the source, by name, the functions of an
// object that it is inlined into.
type inliners map[string][]object.AtomID

// InlinersOf returns the functions that a function of the source is inlined
// into, in the order of their atoms.
func InlinersOf(o *object.Object, name string) []object.AtomID {
	return object.Memo(o, findInliners)[name]
}

func findInliners(o *object.Object) inliners {
	of := inliners{}
	d := Info(o)
	x, _ := d.Index()
	if x == nil {
		return nil
	}
	names := map[uint64]string{}
	for id, a := range o.Functions() {
		entry, ok := x.FunctionAt(Addr(a, 0))
		if !ok {
			continue
		}
		_ = d.Inlined(entry, func(e *dwarf.Entry, _ int) bool { // what can't be read is not listed
			origin, _ := e.Ref(dwarf.AttrOrigin)
			if _, ok := names[origin]; !ok {
				names[origin] = d.Function(origin).Name
			}
			name := names[origin]
			if list := of[name]; len(list) == 0 || list[len(list)-1] != id {
				of[name] = append(list, id)
			}
			return true
		})
	}
	return of
}
