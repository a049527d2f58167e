package listing

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestLinesBounded writes lines of any length and width into columns.
func TestLinesBounded(t *testing.T) {
	long := strings.Repeat("é\x1b", 10_000)
	lines := []Line{{Mark: Changed, Pre: long, Post: long}, {Mark: Cut, Pre: long}}
	for _, width := range []int{0, 1, 40, 200} {
		var b strings.Builder
		if err := WriteLines(&b, lines, Options{Width: width}); err != nil || b.Len() > 2*(4*200) || strings.Contains(b.String(), "\x1b") {
			t.Errorf("width %d: %d bytes, %v", width, b.Len(), err)
		}
	}
}

// TestMarkText has every mark written as a word, and read again.
func TestMarkText(t *testing.T) {
	for m := Same; m <= Cut; m++ {
		text, err := json.Marshal(m)
		var back Mark
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back != m || len(text) < 5 {
			t.Errorf("%v: %s, %v, %v", m, text, back, err)
		}
	}
	if err := new(Mark).UnmarshalText([]byte("nonsense")); err == nil {
		t.Error("nonsense is a mark")
	}
}
