package elfdiff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// Aside is a place in the source that differs, and was set aside: a number that was
// proven to be a line, and has no other meaning.
type Aside struct {
	// Symbol is the function or object that holds it; of data without a name the
	// section and offset.
	Symbol string `json:"symbol"`
	// Reason has both numbers, their places, and the proof. In JSON, its keys stand
	// beside the symbol.
	Reason verdict.Reason `json:"-"`
}

// asideJSON is an Aside in JSON.
type asideJSON struct {
	Symbol string `json:"symbol"`
	verdict.Reason
}

// MarshalJSON writes the symbol and the reason in one object.
func (a Aside) MarshalJSON() ([]byte, error) { return json.Marshal(asideJSON{a.Symbol, a.Reason}) }

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Aside) UnmarshalJSON(b []byte) error {
	var j asideJSON
	err := json.Unmarshal(b, &j)
	*a = Aside{j.Symbol, j.Reason}
	return err
}

// String returns it on one line.
func (a Aside) String() string { return fmt.Sprintf("%s: %s", a.Symbol, a.Reason) }

// SetAside lists the lines that differ in what is called the same. What travels
// takes its lines along.
func (d *Diff) SetAside() []Aside {
	var list []Aside
	for _, changes := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range changes {
			ch := &changes[i]
			if ch.Status != verdict.Same {
				continue
			}
			for _, r := range ch.Incidental {
				if r.Code == verdict.ReasonLine {
					list = append(list, Aside{ch.Name, r})
				}
			}
		}
	}
	return append(list, d.aside...)
}

// asides lists the places of records without a name that stay as they are.
func (j *judge) asides() {
	for _, id := range slices.Sorted(maps.Keys(j.c.Aside)) {
		if j.carried.Included[id] {
			continue
		}
		for _, r := range j.c.Aside[id] {
			j.aside = append(j.aside, Aside{insn.Describe(j.Post, id, 0), r})
		}
	}
}
