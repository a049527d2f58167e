package ehframe

// Handlers says what the exception tables (.gcc_except_table) of a module do when
// an exception passes through its functions.
type Handlers struct {
	Catch   bool // some function may catch an exception, or restricts which may leave it
	Cleanup bool // some function has something to do when one passes, such as running destructors
}

// Handlers looks at the exception tables that the FDEs of the module refer to,
// up to the first that catches. mem is addressed by run addresses.
//
// A table begins with the encoding of its landing pads' base, that base unless
// the encoding is PEOmit, and the encoding of its types: PEOmit says that it has
// none, so that it only cleans up (LLVM's and gcc's exception handling ABI;
// nothing specifies it further). A table that can't be read may catch.
func (t *Table) Handlers(mem Memory) (Handlers, error) {
	var h Handlers
	for f, err := range t.FDEs() {
		if err != nil {
			return h, err
		}
		at := t.lsda(&f)
		if at == 0 {
			continue
		}
		h.Cleanup = true
		if h.Catch = hasTypes(mem, at); h.Catch {
			break
		}
	}
	return h, nil
}

// lsda returns the run address of the exception table of an FDE, 0 without one.
func (t *Table) lsda(f *FDE) uint64 {
	if f.LSDA == 0 || f.LSDAEnc == PEOmit {
		return 0
	}
	c := cursor{b: t.frame.data[f.LSDA:]}
	at := c.pointer(f.LSDAEnc, t.frame.addr+f.LSDA, 0)
	if at == 0 {
		return 0
	}
	return at + t.bias
}

// hasTypes reports whether an exception table has types, or can't be read.
func hasTypes(mem Memory, at uint64) bool {
	const longest = 1 + 10 // an encoding, and a pointer of any encoding
	var b [longest + 1]byte
	n, err := mem.ReadAddr(b[:], at)
	if err != nil && n < 2 {
		return true
	}
	c := cursor{b: b[:max(n, 2)]}
	if base := Encoding(c.u8()); base != PEOmit {
		c.raw(base)
	}
	types := Encoding(c.u8())
	return c.bad != "" || types != PEOmit
}

// A Landing is what the exception table of one function holds addresses of: run
// addresses.
type Landing struct {
	Start, End uint64   // of the table, End exclusive, as far as its actions and types
	Pads       []uint64 // where an unwinder enters the function
}

// maxLSDA bounds what is read of one exception table, in bytes.
const maxLSDA = 1 << 20

// Landings lists the exception tables that the FDEs of the module refer to, those
// that can be read. mem is addressed by run addresses.
//
// Behind what [Table.Handlers] names is the encoding of the table of call sites and
// its size, then for each site its start, its length, its landing pad, all from the
// landing pads' base, and its action; then the actions, and last the types, whose
// end the header tells.
func (t *Table) Landings(mem Memory) ([]Landing, error) {
	var out []Landing
	for f, err := range t.FDEs() {
		if err != nil {
			return out, err
		}
		if at := t.lsda(&f); at != 0 {
			if l, ok := landing(mem, at, f.Start+t.bias); ok {
				out = append(out, l)
			}
		}
	}
	return out, nil
}

func landing(mem Memory, at, base uint64) (Landing, bool) {
	const header = 64
	b := make([]byte, header)
	n, _ := mem.ReadAddr(b, at)
	c := cursor{b: b[:n]}
	if enc := Encoding(c.u8()); enc != PEOmit {
		base = c.pointer(enc, at, 0)
	}
	types := uint64(0)
	if Encoding(c.u8()) != PEOmit {
		types = c.uleb()
		types += uint64(c.off)
	}
	enc := Encoding(c.u8())
	size := c.uleb()
	l := Landing{Start: at, End: at + max(uint64(c.off)+size, types)}
	if c.bad != "" || size > maxLSDA || types > maxLSDA {
		return l, false
	}
	b = make([]byte, size)
	if _, err := mem.ReadAddr(b, at+uint64(c.off)); err != nil {
		return l, false
	}
	for c = (cursor{b: b}); c.left() > 0; {
		c.raw(enc) // the start of a site
		c.raw(enc) // its length
		if pad := c.raw(enc); pad != 0 {
			l.Pads = append(l.Pads, base+pad)
		}
		c.uleb()
	}
	return l, c.bad == ""
}
