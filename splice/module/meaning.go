package module

import "context"

// meaning reports the types that mean something else in post, as far as the
// comparisons have not done so, and what they affect beside the pairs.
func (b *builder) meaning(ctx context.Context, pairs []Pair) error {
	for i := range pairs {
		for _, f := range pairs[i].Diff.TypeFindings() {
			b.report(f)
		}
	}
	return b.affected(ctx, pairs)
}
