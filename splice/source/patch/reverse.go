package patch

import "slices"

// Reverse returns the patch that takes this one back: applied after it, the tree is what it
// was before, but for a file that a plain diff made without saying so, which is left empty. Its Digest
// is another one; what it says about itself is the same.
func (p *Patch) Reverse() *Patch {
	q := *p
	q.Files = make([]File, len(p.Files))
	for i := range p.Files {
		q.Files[len(p.Files)-1-i] = p.Files[i].reverse()
	}
	q.Digest = q.digest()
	return &q
}

// reversed are the kinds of changes that take others back.
var reversed = map[Kind]Kind{Modified: Modified, Created: Deleted, Deleted: Created, Renamed: Renamed, Copied: Deleted, Mode: Mode, Binary: Binary}

// reverse returns the change that takes this one back.
func (f *File) reverse() File {
	r := *f
	r.Kind = reversed[f.Kind]
	r.Old, r.New, r.oldRaw, r.newRaw = f.New, f.Old, f.newRaw, f.oldRaw
	r.OldMode, r.NewMode = f.NewMode, f.OldMode
	if f.Kind == Modified && f.NewMode == 0 {
		r.OldMode, r.NewMode = f.OldMode, 0
	}
	if f.Kind == Copied {
		r.New, r.newRaw, r.uncopied = "", rawName{}, f.Old
	}
	r.Hunks = make([]Hunk, len(f.Hunks))
	for i := range f.Hunks {
		r.Hunks[i] = f.Hunks[i].reverse()
	}
	return r
}

// reverse returns the hunk that takes this one back, with what is removed before what is added.
func (h *Hunk) reverse() Hunk {
	r := *h
	r.OldLine, r.OldCount, r.NewLine, r.NewCount = h.NewLine, h.NewCount, h.OldLine, h.OldCount
	r.Lines = slices.Clone(h.Lines)
	for i := 0; i < len(r.Lines); i++ {
		start := i
		for ; i < len(r.Lines) && r.Lines[i].Op != Keep; i++ {
			r.Lines[i].Op = map[Op]Op{Add: Remove, Remove: Add}[r.Lines[i].Op]
		}
		slices.SortStableFunc(r.Lines[start:i], func(a, b Line) int { return int(b.Op) - int(a.Op) })
	}
	return r
}
