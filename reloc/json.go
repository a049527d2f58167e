package reloc

import (
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/words"
)

// ResultSchema is the version of the JSON of a [Result]. Keys may be added to a version.
const ResultSchema = 1

// The JSON form. Addresses are strings such as "0x13a0", since numbers in JSON lose
// precision; so are offsets in code. Bytes are in hexadecimal with spaces between them.
type (
	resultJSON struct {
		Schema    int           `json:"schema"`
		Functions []FuncResult  `json:"functions"`
		Symbols   []Value       `json:"symbols"`
		TLSBlock  address       `json:"tls_block,omitzero"`
		Located   []locatedJSON `json:"located"` // by atom
	}
	// locatedJSON is an atom of pre that has an address.
	locatedJSON struct {
		Atom    object.AtomID `json:"atom"`
		Address address       `json:"address"`
	}
	funcJSON struct {
		Name        string         `json:"name"`
		Atom        object.AtomID  `json:"atom"`
		Verdict     Verdict        `json:"verdict"`
		Address     address        `json:"address,omitzero"`
		Size        uint64         `json:"size,omitempty"`
		By          Evidence       `json:"by,omitzero"`
		Weak        bool           `json:"weak,omitempty"`
		Freed       bool           `json:"freed,omitempty"`
		RunName     string         `json:"runName,omitempty"`
		SymPos      uint64         `json:"sympos,omitempty"`
		Replacement address        `json:"replacedBy,omitzero"`
		Undecided   string         `json:"undecided,omitempty"`
		Patches     []Patch        `json:"patches,omitempty"`
		Redirect    *Redirect      `json:"redirect,omitempty"`
		Mismatch    *MismatchError `json:"mismatch,omitempty"`
		Candidates  []address      `json:"candidates,omitempty"`
		More        bool           `json:"more,omitempty"`
		Shifts      [][2]address   `json:"shifts,omitempty"` // offsets in pre and in run
	}
	redirectJSON struct {
		Kind     PatchKind      `json:"kind"`
		At       address        `json:"at"`
		To       address        `json:"to"`
		Name     string         `json:"name,omitempty"`
		Verdict  Verdict        `json:"verdict"` // of the code that is live
		Size     uint64         `json:"size,omitempty"`
		Message  string         `json:"message,omitempty"`
		Mismatch *MismatchError `json:"mismatch,omitempty"`
	}
	mismatchJSON struct {
		Function  string  `json:"function"`
		Address   address `json:"address"`
		Reason    Reason  `json:"reason"`
		Offset    address `json:"offset"`
		RunOffset address `json:"runOffset"`
		Pre       octets  `json:"pre"`
		Run       octets  `json:"run"`
		Target    address `json:"target,omitzero"`
		Note      string  `json:"note,omitempty"`  // Detail
		Cause     string  `json:"cause,omitempty"` // the text of Err
		Message   string  `json:"message"`         // what %v prints
		Detail    string  `json:"detail"`          // what %+v prints
	}
	valueJSON struct {
		Name    string             `json:"name"`
		Value   address            `json:"value"` // the one that says most
		Kind    Use                `json:"kind"`  // which that is
		Symbol  elfobj.SymbolIndex `json:"symbol,omitempty"`
		Atom    object.AtomID      `json:"atom"`
		Has     Use                `json:"has"`
		Address address            `json:"address,omitzero"`
		PLT     address            `json:"plt,omitzero"`
		GOT     address            `json:"got,omitzero"`
		TPOff   int64              `json:"tpoff,omitempty,string"`
		TLS     address            `json:"tls,omitzero"`
		TLSSlot address            `json:"tlsslot,omitzero"`
		From    []object.AtomID    `json:"from,omitempty"`
	}
)

// address is an address, or an offset, in JSON, and octets are bytes.
type (
	address = words.Address
	octets  = words.Octets
)
