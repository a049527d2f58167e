package words

import (
	"fmt"
	"strings"
)

// Count counts things in English: "1 function", "2 processes".
func Count(n int, one string) string { return fmt.Sprintf("%d %s", n, Nouns(n, one)) }

// Nouns is a noun, in the plural unless there is one of it.
func Nouns(n int, one string) string {
	switch stem, y := strings.CutSuffix(one, "y"); {
	case n == 1:
		return one
	case y:
		return stem + "ies"
	case strings.HasSuffix(one, "ch"), strings.HasSuffix(one, "s"):
		return one + "es"
	}
	return one + "s"
}
