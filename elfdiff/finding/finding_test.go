package finding

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strconv"
	"strings"
	"testing"
)

// constants returns the codes that codes.go declares, by the names of their constants.
func constants(t *testing.T) map[string]Code {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Code{}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			word, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Error(err)
			}
			out[v.Names[0].Name] = Code(word)
		}
		return true
	})
	return out
}

// TestTable goes over all codes: each has one row, each row a hint, and a refusal of it is
// itself and an ErrRefused.
func TestTable(t *testing.T) {
	all := constants(t)
	words := map[Code]string{}
	for name, code := range all {
		if other := words[code]; other != "" {
			t.Errorf("%s and %s are both %q", name, other, code)
		}
		words[code] = name
	}
	if list := Codes(); len(list) != len(all) {
		t.Errorf("%d codes have a row, and there are %d", len(list), len(all))
	}
	for name, code := range all {
		checkCode(t, name, code)
	}
}

func checkCode(t *testing.T, name string, code Code) {
	t.Helper()
	row, ok := codes[code]
	f := New(code)
	switch {
	case !ok:
		t.Errorf("%s has no row", name)
	case f.Code != code || f.Severity != row.severity || f.Hint == "" || f.Accept != row.accept:
		t.Errorf("%s: %+v", name, f)
	case (f.Severity == NeedsJudgement) != (f.Accept != ""):
		t.Errorf("%s: what a person can accept, and only that, says what comes of it: %+v", name, f)
	}
	one := error(&Refusal{Finding: f})
	for _, err := range []error{one, &RefusedError{Refusals: []Refusal{{Finding: f}}}, fmt.Errorf("open: %w", one)} {
		if !errors.Is(err, ErrRefused) || !errors.Is(err, code) || errors.Is(err, Code("another")) {
			t.Errorf("%s: %v", name, err)
		}
		if list := Refusals(err); len(list) != 1 || list[0].Code != code {
			t.Errorf("%s: %v", name, list)
		}
	}
	roundTrip(t, Refusal{Finding: f})
}

func roundTrip(t *testing.T, r Refusal) {
	t.Helper()
	text, err := json.Marshal(r)
	var back Refusal
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || back.Finding != r.Finding || back.Error() != r.Error() {
		t.Errorf("%s: %+v: %v", text, back, err)
	}
}

func TestRefusalJSON(t *testing.T) {
	r := Refuse(CodeTLSChanged, "f", ".text", 16, "it is %d", 3)
	r.Err = fs.ErrNotExist
	roundTrip(t, *r)
	text, err := json.Marshal(r)
	const want = `{"code":"tls-changed","severity":"refused","symbol":"f","section":".text","offset":16,` +
		`"message":"it is 3","hint":"use a map keyed by thread, or restart the program","accept":"","accepted":false,"cause":"file does not exist"}`
	if err != nil || string(text) != want {
		t.Errorf("%s %v", text, err)
	}
	if r.Error() != "refused (tls-changed): f: it is 3 (.text, 0x10): file does not exist" || !errors.Is(r, fs.ErrNotExist) {
		t.Errorf("%v", r)
	}
	for _, bad := range []string{`{"severity":"hopeless"}`, `{"severity":3}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), r); err == nil {
			t.Errorf("%s is a refusal: %+v", bad, r)
		}
	}
}

// TestRefusals takes a tree of errors apart.
func TestRefusals(t *testing.T) {
	a, b := Refuse("a", "", "", 0, "one"), Refuse("b", "", "", 0, "two")
	b.Err = Refuse("c", "", "", 0, "its cause")
	list := &RefusedError{Refusals: []Refusal{{Finding: Finding{Code: "d"}}, {Finding: Finding{Code: "e"}}}}
	err := errors.Join(fmt.Errorf("x: %w", a), errors.New("y"), b, fmt.Errorf("%w %w", list, fs.ErrExist))
	var got []string
	for _, r := range Refusals(err) {
		got = append(got, string(r.Code))
	}
	if s := strings.Join(got, " "); s != "a b d e" {
		t.Errorf("%s", s)
	}
	if list := Refusals(nil); list != nil {
		t.Errorf("%v", list)
	}
}
