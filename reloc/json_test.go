package reloc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
)

// errorText compares errors by their text.
var errorText = cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })

// full is a result with all that one can hold.
func full() *reloc.Result {
	bad := &reloc.MismatchError{
		Func: "f", Addr: 1 << 63, Reason: reloc.ReasonUnreadable, Offset: 5, RunOffset: 8, Pre: []byte{0xe9, 1}, Run: []byte{0x90},
		Target: 7, Detail: "why", Err: errors.New("no memory there"),
	}
	return &reloc.Result{
		Functions: []reloc.FuncResult{
			{Atom: 1, Name: "f", Verdict: reloc.Mismatch, Address: 1 << 63, Mismatch: bad, Weak: true, Replacement: 3},
			{Atom: 4, Verdict: reloc.Ambiguous, Candidates: []uint64{1, 1<<64 - 1}, More: true, Undecided: "a symbol"},
			{Atom: 5, Verdict: reloc.Absent, Freed: true},
			{Atom: 6, Verdict: reloc.Matched, By: reloc.ByLayout, Address: 0xffffffff81000000, Size: 9, RunName: "g", SymPos: 2,
				Shifts:   []reloc.Shift{{Pre: 2, Run: 5}},
				Patches:  []reloc.Patch{{Kind: reloc.PatchProbeJump, Offset: 1, Address: 2, Target: 3, Name: "optimized"}},
				Redirect: &reloc.Redirect{Kind: reloc.PatchLivepatch, At: 1, To: 2, Name: "new", Verdict: reloc.Mismatch, Size: 3, Mismatch: bad}},
		},
		Symbols: []reloc.Value{
			{Name: "x", Symbol: 3, Atom: object.NoAtom, Has: reloc.UsePLT | reloc.UseTPOff | reloc.UseTLSSlot, PLT: 1, TPOff: -8, TLSSlot: 5, From: []object.AtomID{1, 2}},
			{Name: "y", Atom: 7, Has: reloc.UseAddress | reloc.UseGOT | reloc.UseTLS, Address: 1<<64 - 1, GOT: 2, TLS: 4},
		},
		TLSBlock: 0x1000,
	}
}

func TestResultJSON(t *testing.T) {
	checkResult(t, full())
	checkResult(t, &reloc.Result{})
	pre, err := elfdiff.Open("testdata/tiny.o")
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.OpenELF("testdata/tiny.elf")
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	r, err := reloc.Match(context.Background(), pre, img, reloc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	back := checkResult(t, r)
	for id := range object.AtomID(100) {
		a, ok := r.AtomAddr(id)
		if b, same := back.AtomAddr(id); a != b || ok != same || (r.Func(id) == nil) != (back.Func(id) == nil) {
			t.Errorf("atom %d: %#x %v, %#x %v", id, a, ok, b, same)
		}
		v, ok := r.SymbolValue(elfobj.SymbolIndex(id))
		if w, same := back.SymbolValue(elfobj.SymbolIndex(id)); !reflect.DeepEqual(v, w) || ok != same {
			t.Errorf("symbol %d: %+v %v, %+v %v", id, v, ok, w, same)
		}
	}
}

// checkResult has a result written and read, and the same written again.
func checkResult(t *testing.T, r *reloc.Result) *reloc.Result {
	t.Helper()
	text, err := json.Marshal(r)
	back := new(reloc.Result)
	if err == nil {
		err = json.Unmarshal(text, back)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(r, back, cmpopts.EquateEmpty(), errorText, cmpopts.IgnoreUnexported(reloc.Result{}, reloc.MismatchError{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for i := range r.Functions {
		if m := r.Functions[i].Mismatch; m != nil && fmt.Sprintf("%v %+v", m, m) != fmt.Sprintf("%v %+v", back.Functions[i].Mismatch, back.Functions[i].Mismatch) {
			t.Errorf("%+v", back.Functions[i].Mismatch)
		}
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(text) {
		t.Errorf("%v\n%s\n%s", err, text, again)
	}
	return back
}

// TestWords has every value of every enumeration written as a word and read again.
func TestWords(t *testing.T) {
	for v := reloc.Absent; v <= reloc.Matched; v++ {
		word(t, v, new(reloc.Verdict))
	}
	for v := reloc.NoEvidence; v <= reloc.ByLayout; v++ {
		word(t, v, new(reloc.Evidence))
	}
	for v := reloc.ReasonBytes; v <= reloc.ReasonTable; v++ {
		word(t, v, new(reloc.Reason))
	}
	for v := reloc.PatchTraced; v <= reloc.PatchJump; v++ {
		word(t, v, new(reloc.PatchKind))
	}
	for v := reloc.UseAddress; v < 2*reloc.UseTLSSlot; v++ {
		word(t, v, new(reloc.Use))
	}
}

func word[T comparable](t *testing.T, v T, back *T) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, back)
	}
	if err != nil || *back != v || strings.Contains(string(text), "(") {
		t.Errorf("%T %v: %s, %v, %v", v, v, text, *back, err)
	}
	if err := json.Unmarshal([]byte(`"nonsense"`), back); err == nil {
		t.Errorf("%T: nonsense is %v", v, *back)
	}
}

// FuzzResultJSON reads any text as a result: what is read has methods that do not panic, and
// is written as it was.
func FuzzResultJSON(f *testing.F) {
	text, err := json.Marshal(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"schema":1,"functions":[{"atom":-5}],"symbols":[{"symbol":4294967295}],"located":[{"atom":2147483647,"address":"7"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := new(reloc.Result)
		if json.Unmarshal(text, r) != nil {
			return
		}
		for i := range r.Functions {
			if r.Func(r.Functions[i].Atom) == nil {
				t.Errorf("function %d is not found", i)
			}
			r.AtomAddr(r.Functions[i].Atom)
		}
		for i := range r.Symbols {
			r.SymbolValue(r.Symbols[i].Symbol)
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		back := new(reloc.Result)
		if err := json.Unmarshal(again, back); err != nil {
			t.Errorf("%v\n%s", err, again)
		}
	})
}
