package rewrite

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/amd64"
)

// native has the instructions that take the place of a call through pv_ops.
func native(of string) func([]byte) bool {
	return func(b []byte) bool { return IsPVNative(of, b) }
}

// static has the instructions that take the place of a static call.
func static(of string) func([]byte) bool {
	return func(b []byte) bool { return IsStaticInsn(of, b) }
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestForms tells what is filled with nothing, what is padding, and what branches to what a
// register holds.
func TestForms(t *testing.T) {
	filling := func(b []byte) bool { return IsFilling(b, len(b)) }
	bare := func(op string, reg int) func([]byte) bool {
		return func(b []byte) bool { return IsBareBranch(unhex(t, op), reg, b) }
	}
	for _, tt := range []struct {
		name string
		is   func([]byte) bool
		code string
		want bool
	}{
		{"nops", filling, "0f1f440000 6690", true},
		{"a jump over int3", filling, "eb03 cccccc", true},
		{"a jump over something else", filling, "eb03 cc90cc", false},
		{"a long jump", filling, "e902000000 cccc", true},
		{"a jump elsewhere", filling, "eb02 cccccc", false},
		{"an instruction", filling, "31c0", false},
		{"nothing", filling, "", true},
		{"padding", IsPadding, "cccc 90 6548c13d0000000005 0f1f00", true},
		{"code", IsPadding, "cc c3", false},
		{"call *%rax", bare("e8", 0), "ffd0 0f1f00", true},
		{"call *%r11", bare("e8", 11), "41ffd3 6690", true},
		{"lfence", bare("e8", 0), "0faee8 ffd0", true},
		{"another register", bare("e8", 1), "ffd0 0f1f00", false},
		{"jmp *%rax", bare("e9", 0), "ffe0 cc 6690", true},
		{"jne *%rax", bare("0f85", 0), "7404 ffe0 cc90", true},
		{"je *%rax", bare("0f84", 0), "7404 ffe0 cc90", false},
		{"a jump label that is off", IsLabelNop, "0f1f440000", true},
		{"one that is on", IsLabelNop, "e900000000", false},
		{"a jump label that is off, on older processors", IsLabelNop, "6666666690", true},
		{"a short jump, filled for them", amd64.IsShortJumpFill, "666690", true},
		{"an unlock of 5.10", native("__raw_callee_save___native_queued_spin_unlock"), "c60700 66666690", true},
		{"another function", native("native_wbinvd"), "c60700 66666690", false},
		{"a static call that returns 0", static(""), "2e2e2e31c0", true},
		{"one that did before 5.18", static("__static_call_return0"), "66664831c0", true},
		{"one that warns", static("__WARN_trap"), "67480fb93a", true},
		{"one that should", static("__WARN_trap"), "2e2e2e31c0", false},
		{"one that unlocks", static(""), "3e3ec60700", true},
	} {
		if got := tt.is(unhex(t, tt.code)); got != tt.want {
			t.Errorf("%s: %s: %v", tt.name, tt.code, got)
		}
	}
	for reg := range Thunks {
		if got, ok := ThunkOf(ThunkName(reg)); !ok || got != reg {
			t.Errorf("%s is %d, %v", ThunkName(reg), got, ok)
		}
	}
	if _, ok := ThunkOf(thunkPrefix + "array"); ok {
		t.Error("the array of thunks is one")
	}
}

// pieces is a reader of a text of which it knows pieces.
type pieces struct {
	text  string
	known []string
	found []string
	reads int
}

func (p *pieces) Read(at uint64, k int) (end uint64, ok, more bool) {
	if p.reads++; k == len(p.known) {
		return 0, false, false
	}
	s := p.known[k]
	p.found = append(p.found, s)
	return at + uint64(len(s)), strings.HasPrefix(p.text[at:], s), true
}

func (p *pieces) Mark() Mark   { return Mark{len(p.found)} }
func (p *pieces) Reset(m Mark) { p.found = p.found[:m[0]] }

// TestCluster reads texts by pieces that overlap: what is found is one way to read all of it,
// and no place is looked at twice.
func TestCluster(t *testing.T) {
	var c Cluster
	for _, tt := range []struct{ text, known, want string }{
		{"abcd", "a ab abc d", "abc d"},
		{"abcd", "a b c d abcd", "a b c d"},
		{"abcd", "ab abcde", ""},
		{strings.Repeat("a", 200) + "b", "a aa aaa", ""},
		{"", "a", ""},
	} {
		p := &pieces{text: tt.text, known: strings.Fields(tt.known)}
		ok := c.Holds(p, 0, uint64(len(tt.text)))
		if got := strings.Join(p.found, " "); got != tt.want || ok != (tt.want != "" || tt.text == "") {
			t.Errorf("%s by %s: %v, %s", tt.text, tt.known, ok, got)
		}
		if most := (len(tt.text) + 1) * (len(p.known) + 1); p.reads > most {
			t.Errorf("%s by %s: read %d times", tt.text, tt.known, p.reads)
		}
	}
	if c.Holds(&pieces{}, 0, MaxCluster+1) {
		t.Error("a cluster of any length was looked at")
	}
}
