package words

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	type fruit uint8
	table := []string{"apple", "pear"}
	v := fruit(7)
	if err := Parse(&v, []byte("pear"), table, "fruit"); err != nil || v != 1 {
		t.Errorf("%d, %v", v, err)
	}
	for _, bad := range []string{"", "Pear", "1", strings.Repeat("x", 1000)} {
		err := Parse(&v, []byte(bad), table, "fruit")
		if err == nil || v != 1 || len(err.Error()) > 100 || !strings.HasPrefix(err.Error(), "no fruit: ") {
			t.Errorf("%q: %d, %v", bad, v, err)
		}
	}
}
