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

// Function is what the source says about a function.
type Function struct {
	Entry uint64 // of the abstract function, or of the only one
	Name  string
	File  string // relative to the folder of the compilation
	Line  int    // of the declaration; 0 when not known
}

// maxOrigins bounds how often an entry refers to another for what it lacks.
const maxOrigins = 8

// Function returns the name and the declaration of a function by the offset of
// any of its entries: a concrete one refers to the abstract one for these
// (sections 3.3.8.2 and 3.3.8.3), and that may complete a declaration.
func (d *Data) Function(off uint64) (f Function) {
	var e Entry
	for range maxOrigins {
		if !d.Entry(&e, off) {
			break
		}
		f.Entry = off
		if f.Name == "" {
			f.Name = e.Name()
		}
		if line, ok := e.Int(AttrDeclLine); ok && f.Line == 0 {
			f.Line = int(line)
			f.File = e.File(AttrDeclFile)
		}
		next, ok := e.Ref(AttrOrigin)
		if !ok {
			next, ok = e.Ref(AttrSpecification)
		}
		if !ok {
			break
		}
		off = next
	}
	return f
}

// File returns the path of a file that the entry names by its number in the
// unit's line table, or "".
func (e *Entry) File(a Attr) string {
	n, ok := e.Int(a)
	if !ok || n < 0 || n > 1<<31 {
		return ""
	}
	l, err := e.unit.d.Lines()
	if err != nil {
		return ""
	}
	root := e.unit.Root()
	off, ok := root.offset(AttrStmtList)
	if f := l.files[off]; ok && f != nil {
		return f.path(uint32(n))
	}
	return ""
}

// Inlined calls yield for every call that was inlined into a function, which is
// given by its concrete entry. Calls inside other inlined calls come behind
// those, at a greater depth; that of the outermost is 1.
func (d *Data) Inlined(f uint64, yield func(e *Entry, depth int) bool) error {
	var e Entry
	if !d.Entry(&e, f) {
		return d.info.fail(f, "an entry can't be read")
	}
	r := ChildrenOf(&e)
	// depths holds for each open list of children how many calls are around it
	depths := []int{0}
	for len(depths) > 0 && r.Next(&e) {
		n := depths[len(depths)-1]
		switch e.Tag {
		case TagNull:
			depths = depths[:len(depths)-1]
			continue
		case TagInlined:
			n++
			if !yield(&e, n) {
				return nil
			}
		case TagLexicalBlock:
		default:
			r.Skip(&e)
			continue
		}
		if e.Children {
			depths = append(depths, n)
		}
	}
	return r.Err()
}
