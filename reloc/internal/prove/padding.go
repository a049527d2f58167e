package prove

import (
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// maxFilled bounds what is taken for padding.
const maxFilled = 1 << 20

// IsFilled reports whether nothing but padding stands in [lo, hi) of run.
func (m *Comparer) IsFilled(lo, hi uint64) bool { return IsFilled(m.View, lo, hi) }

// IsFilled reports whether nothing but padding stands in [lo, hi).
func IsFilled(v *image.View, lo, hi uint64) bool {
	if lo == hi {
		return true
	}
	if lo > hi || hi-lo > maxFilled {
		return false
	}
	b, err := v.Bytes(lo, hi-lo)
	return err == nil && rewrite.IsPadding(b)
}
