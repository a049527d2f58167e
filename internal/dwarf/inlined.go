package dwarf

// Call is an inlined call: code that stands where a function was called.
type Call struct {
	// Entry is the offset of the DW_TAG_inlined_subroutine, and Function that
	// of the abstract function which it is a copy of.
	Entry, Function uint64
	// File and Line are the place of the call. File is a number of the unit's
	// line table.
	File, Line int
}

// CallsAt returns the calls that the code at a place was inlined by, the
// innermost first. It is empty for code of the function itself.
func (d *Data) CallsAt(a Addr) ([]Call, error) {
	x, err := d.Index()
	if x == nil {
		return nil, err
	}
	f, ok := x.FunctionAt(a)
	if !ok {
		return nil, err // what could not be read may have been that function
	}
	var e Entry
	if !d.Entry(&e, f) {
		return nil, d.info.fail(f, "an entry can't be read")
	}
	return e.callsAt(a)
}

// callsAt looks for the place in the children of e.
func (e *Entry) callsAt(a Addr) ([]Call, error) {
	var calls []Call
	var ranges []Range
	var c Entry
	r := ChildrenOf(e)
	for depth := 1; depth > 0 && r.Next(&c); {
		enter := false
		switch c.Tag {
		case TagNull:
			depth--
			continue
		case TagInlined:
			ranges = c.AppendRanges(ranges[:0])
			if covers(ranges, a) {
				calls = append(calls, c.call())
				enter = true
			}
		case TagLexicalBlock:
			enter = true // some have no code, but hold calls that have
		}
		if !c.Children {
			continue
		}
		if enter {
			depth++
		} else {
			r.Skip(&c)
		}
	}
	for i, j := 0, len(calls)-1; i < j; i, j = i+1, j-1 {
		calls[i], calls[j] = calls[j], calls[i]
	}
	return calls, r.Err()
}

func covers(list []Range, a Addr) bool {
	for _, r := range list {
		if r.Contains(a) {
			return true
		}
	}
	return false
}

func (e *Entry) call() Call {
	c := Call{Entry: e.Offset}
	c.Function, _ = e.Ref(AttrOrigin)
	line, _ := e.Int(AttrCallLine)
	file, _ := e.Int(AttrCallFile)
	c.Line, c.File = int(line), int(file)
	return c
}
