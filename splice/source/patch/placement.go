package patch

import "slices"

// A Placement is a hunk that was applied at other lines than it says. That is ordinary where the tree
// is of another version than the patch; a person may look where its lines are in other places too.
type Placement struct {
	Patch, File string
	Hunk        int // in the file, from 1
	// Line is where it was applied, from 1, in the file as it was then.
	Line int
	// Offset is how many lines that is behind what it says, negative before it.
	Offset int
	// Others are in how many other places all of its old lines and its context are.
	Others int
}

// Placements lists the hunks that were applied at other lines than they say, in the order in
// which they were applied.
func (t *Tree) Placements() []Placement { return slices.Clone(t.placed) }

// note keeps where a hunk of a file was placed, unless it is where it says.
func (s *stage) note(f *File, number int, img *image, at int) {
	h := &f.Hunks[number-1]
	offset := at - max(h.NewLine-1, 0)
	if offset == 0 || f.Kind == Created || f.Kind == Deleted {
		return
	}
	others := 0
	old := h.side(Add)
	for i := 0; i+len(old) <= len(img.lines) && s.work > 0; i++ {
		if i != at && img.matches(old, i, &s.work) {
			others++
		}
	}
	s.placed = append(s.placed, Placement{s.patch.Name, f.Path(), number, at + 1, offset, others})
}
