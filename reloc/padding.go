package reloc

import (
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// maxFilled bounds what is taken for padding.
const maxFilled = 1 << 20

func (m *comparer) isFilled(lo, hi uint64) bool { return isFilled(m.view, lo, hi) }

// isFilled reports whether nothing but padding stands in [lo, hi).
func isFilled(v *image.View, lo, hi uint64) bool {
	if lo == hi {
		return true
	}
	if lo > hi || hi-lo > maxFilled {
		return false
	}
	b, err := v.Bytes(lo, hi-lo)
	return err == nil && rewrite.IsPadding(b)
}
