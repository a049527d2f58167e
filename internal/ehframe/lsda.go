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
