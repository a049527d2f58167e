package reloc

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MarshalJSON writes the result as an element of that of [Result.MarshalJSON].
func (f FuncResult) MarshalJSON() ([]byte, error) {
	j := funcJSON{
		Name: f.Name, Atom: f.Atom, Verdict: f.Verdict, Address: address(f.Address), Size: f.Size, By: f.By, Weak: f.Weak, Freed: f.Freed,
		RunName: f.RunName, SymPos: f.SymPos, Replacement: address(f.Replacement), Undecided: f.Undecided, Patches: f.Patches,
		Redirect: f.Redirect, Mismatch: f.Mismatch, More: f.More,
	}
	for _, c := range f.Candidates {
		j.Candidates = append(j.Candidates, address(c))
	}
	for _, s := range f.Shifts {
		j.Shifts = append(j.Shifts, [2]address{address(s.Pre), address(s.Run)})
	}
	return json.Marshal(&j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *FuncResult) UnmarshalJSON(b []byte) error {
	var j funcJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*f = FuncResult{
		Name: j.Name, Atom: j.Atom, Verdict: j.Verdict, Address: uint64(j.Address), Size: j.Size, By: j.By, Weak: j.Weak, Freed: j.Freed,
		RunName: j.RunName, SymPos: j.SymPos, Replacement: uint64(j.Replacement), Undecided: j.Undecided, Patches: j.Patches,
		Redirect: j.Redirect, Mismatch: j.Mismatch, More: j.More,
	}
	for _, c := range j.Candidates {
		f.Candidates = append(f.Candidates, uint64(c))
	}
	for _, s := range j.Shifts {
		f.Shifts = append(f.Shifts, Shift{uint64(s[0]), uint64(s[1])})
	}
	return nil
}

// MarshalJSON writes the redirect as an element of that of [Result.MarshalJSON].
func (r Redirect) MarshalJSON() ([]byte, error) {
	j := redirectJSON{Kind: r.Kind, At: address(r.At), To: address(r.To), Name: r.Name, Verdict: r.Verdict, Size: r.Size, Mismatch: r.Mismatch}
	if r.Mismatch != nil {
		j.Message = r.Mismatch.Error()
	}
	return json.Marshal(&j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Redirect) UnmarshalJSON(b []byte) error {
	var j redirectJSON
	err := json.Unmarshal(b, &j)
	*r = Redirect{Kind: j.Kind, At: uint64(j.At), To: uint64(j.To), Name: j.Name, Verdict: j.Verdict, Size: j.Size, Mismatch: j.Mismatch}
	return err
}

// MarshalJSON writes the mismatch with its texts.
func (e *MismatchError) MarshalJSON() ([]byte, error) {
	j := mismatchJSON{
		Function: e.Func, Address: address(e.Addr), Reason: e.Reason, Offset: address(e.Offset), RunOffset: address(e.RunOffset),
		Pre: e.Pre, Run: e.Run, Target: address(e.Target), Note: e.Detail, Message: e.Error(), Detail: fmt.Sprintf("%+v", e),
	}
	if e.Err != nil {
		j.Cause = e.Err.Error()
	}
	return json.Marshal(&j)
}

// UnmarshalJSON reads what MarshalJSON writes. Its texts are those that were written.
func (e *MismatchError) UnmarshalJSON(b []byte) error {
	var j mismatchJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*e = MismatchError{
		Func: j.Function, Addr: uint64(j.Address), Reason: j.Reason, Offset: uint64(j.Offset), RunOffset: uint64(j.RunOffset),
		Pre: j.Pre, Run: j.Run, Target: uint64(j.Target), Detail: j.Note, read: &said{j.Message, j.Detail},
	}
	if j.Cause != "" {
		e.Err = errors.New(j.Cause)
	}
	return nil
}

// said are the texts of a mismatch that was read: what it was made from is not there.
type said struct{ line, full string }
