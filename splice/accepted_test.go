package splice_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/splice"
)

// TestAccepted has an update say what a person has accepted for it, and why.
func TestAccepted(t *testing.T) {
	u := &splice.Update{Format: splice.UpdateFormat, Name: "fix", Modules: []splice.Module{}, Objects: []splice.Object{}}
	if s := text(t, u); strings.Contains(s, "accepted") {
		t.Errorf("nothing was accepted: %s", s)
	}
	id := u.ID()
	f := elfdiff.NewFinding(elfdiff.CodeDataChanged, "limit", "its initial value")
	f.AcceptedBy([]elfdiff.Acceptance{{Code: f.Code, Reason: "nobody reads it {yet}"}})
	u.Accepted = []elfdiff.Finding{f, f}
	back, err := splice.ReadUpdate(strings.NewReader(text(t, u)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(u, back); diff != "" || back.ID() != id {
		t.Errorf("%s: %s", back.ID(), diff)
	}
	many := `{"format":1,"name":"","modules":[],"objects":[],"accepted":[` + strings.Repeat(`{},`, 20) + `{}]}`
	if _, err := splice.ReadUpdate(strings.NewReader(many)); !errors.Is(err, splice.ErrUpdateDamaged) {
		t.Error(err)
	}
}
