package module

// meaning reports the types that mean something else in post, as far as the
// comparisons have not done so.
func (b *builder) meaning(pairs []Pair) {
	for i := range pairs {
		for _, f := range pairs[i].Diff.TypeFindings() {
			b.report(f)
		}
	}
}
