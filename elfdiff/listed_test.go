package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// ListedLine is what these tests look at of a line of a listing.
type ListedLine struct {
	Mark                  string
	PreOffset, PostOffset uint64
}

// ListingOf makes a listing. Package listing imports this one, so that a test outside of
// it sets the function.
var ListingOf func(d *Diff, ch *verdict.Change) []ListedLine

// RowsOf puts the members of a type beside each other, likewise.
var RowsOf func(t *types.Change)

// maxListed is how many lines of each side a listing has at most.
const maxListed = 1 << 14
