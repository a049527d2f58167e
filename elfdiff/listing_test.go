package elfdiff_test

import (
	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/listing"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

func init() {
	elfdiff.ListingOf = func(d *elfdiff.Diff, ch *verdict.Change) []elfdiff.ListedLine {
		var out []elfdiff.ListedLine
		for _, l := range listing.Of(d, ch) {
			out = append(out, elfdiff.ListedLine{Mark: l.Mark.String(), PreOffset: l.PreOffset, PostOffset: l.PostOffset})
		}
		return out
	}
	elfdiff.RowsOf = func(t *types.Change) { listing.RowsOf(t) }
}
