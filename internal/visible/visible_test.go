package visible

import "testing"

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"total":               "total",
		"größer→":             "größer→",
		"a b":                 "a b",
		"\x1b]0;pwn\a\x1b[2J": `\u001b]0;pwn\u0007\u001b[2J`,
		"two\nlines\r\t":      `two\u000alines\u000d\u0009`,
		"\u009b2J":            `\u009b2J`,
		"\x9b2J\xff":          `\x9b2J\xff`,
		"\u202egnp.exe":       `\u202egnp.exe`,
		"a\u200bb\u2028":      `a\u200bb\u2028`,
		"\x7f":                `\u007f`,
		"\U000e0041":          `\udb40\udc41`,
		"\ufffd":              `\ufffd`,
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
		if got := Text(Text(in)); got != want {
			t.Errorf("%q: twice it is %s", in, got)
		}
	}
}
