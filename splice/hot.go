package splice

// A Pad is padding in run that belongs to nobody, or what is left of it, by addresses.
type Pad struct{ Start, End uint64 }

// Hot plans a jump of the hotpatch kind, whether or not a plain one could be made; nil where
// none can. See [Plan].
func Hot(f Function, to uint64) *Trampoline {
	skip, targets, err := f.scan()
	if err != nil {
		return nil
	}
	return f.hotJump(skip, targets, to)
}

// hotJump plans a jump of the hotpatch kind, into the first padding that it reaches; nil
// where there is none. The long jump stands as near to the function as it can, and in one
// page, so that nobody writes it in halves.
func (f *Function) hotJump(skip uint64, targets []uint64, to uint64) *Trampoline {
	at := f.Addr + skip
	if f.room(HotRel32, skip, targets) != nil || !inPage(at, HotRel32.Size()) {
		return nil
	}
	for _, p := range f.Pads {
		for long := JmpRel32; long <= JmpAbs64; long++ {
			n := forms[long].size
			if p.End <= p.Start || p.End-p.Start < n {
				continue
			}
			for i := uint64(0); i <= p.End-p.Start-n; i++ {
				pos := p.Start + i
				if p.End <= at {
					pos = p.End - n - i
				}
				if !inPage(pos, n) {
					continue
				}
				if t, err := HotJump(long, at, pos, to); err == nil {
					return t
				}
			}
		}
	}
	return nil
}

// inPage reports whether a range of n bytes lies in one page.
func inPage(at, n uint64) bool { return at/PageSize == (at+n-1)/PageSize }

// Crosses reports whether what is written at the entry lies in two pages, so that it could
// be written in halves.
func (t *Trampoline) Crosses() bool { return !inPage(t.At, uint64(len(t.Bytes))) }
