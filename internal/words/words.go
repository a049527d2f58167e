// Package words turns the words of enumerations back into their values. The words are in
// a table, by value; what writes them is the String of each type. It also has the plain words that
// texts for people share.
package words

import (
	"fmt"
	"slices"
)

// Parse sets v to the value of a word. The error names the kind of word.
func Parse[T ~uint8](v *T, word []byte, table []string, kind string) error {
	i := slices.Index(table, string(word))
	if i < 0 {
		return fmt.Errorf("no %s: %.64q", kind, word)
	}
	*v = T(i)
	return nil
}
