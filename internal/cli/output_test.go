package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// hostile are names that a terminal would obey, or a reader misunderstand.
var hostile = []string{"\x1b]0;pwn\a", "\x1b[2J", "\x1b[31mred", "\u009b2J", "\x9b2J", "\r", "\b\b", "\x7f", "\u202egnp", "\u2028", "\x1b", "\xe2\x82", "\x00"}

// TestOutput writes hostile names: nothing but lines, tabs, what prints and our
// own colours comes out, in whatever pieces it was written.
func TestOutput(t *testing.T) {
	for _, color := range []bool{false, true} {
		for _, name := range hostile {
			for size := 1; size < 8; size++ {
				var b bytes.Buffer
				o := NewOutput(&b, Terminal{Color: color})
				text := o.Paint(Red, "é") + "\t" + name + "\n" + o.Paint(Bold, name)
				for rest := []byte(text); len(rest) > 0; {
					n := min(size, len(rest))
					if k, err := o.Write(rest[:n]); k != n || err != nil {
						t.Fatal(k, err)
					}
					rest = rest[n:]
				}
				o.Flush()
				checkClean(t, b.String(), color)
			}
		}
	}
}

func checkClean(t *testing.T, got string, color bool) {
	t.Helper()
	if color {
		for _, own := range []string{"\x1b[31m", "\x1b[1m", "\x1b[0m"} {
			if strings.Count(got, own) != map[string]int{"\x1b[31m": 1, "\x1b[1m": 1, "\x1b[0m": 2}[own] {
				t.Errorf("%q", got)
			}
			got = strings.ReplaceAll(got, own, "")
		}
	}
	for _, r := range got {
		if r != '\n' && r != '\t' && (!unicode.IsPrint(r) || r == unicode.ReplacementChar) {
			t.Errorf("%q has %q", got, r)
		}
	}
	if !strings.HasPrefix(got, "é\t") || strings.Count(got, "\n") != 1 {
		t.Errorf("%q", got)
	}
}

// TestOutputJSON keeps JSON what it is.
func TestOutputJSON(t *testing.T) {
	for _, name := range hostile {
		var b bytes.Buffer
		if err := WriteJSON(NewOutput(&b, Terminal{}), map[string]string{"name": name}); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%q has %q", b.String(), r)
			}
		}
		var back map[string]string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["name"] != strings.ToValidUTF8(name, "\ufffd") && !strings.Contains(name, "\xe2") {
			t.Errorf("%q became %q, %v", name, back["name"], err)
		}
	}
}
