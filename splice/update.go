package splice

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/gosplice/gosplice/elfdiff/finding"
)

// An Update is everything that is needed to apply a change and to undo it. It
// is inert: it names places by file and link address, so that it holds for
// every process that maps the same files, wherever they are mapped. It is
// deterministic: the same diffs and matches give the same update, and equal
// updates have equal JSON.
type Update struct {
	// Format is the version of this structure.
	Format int    `json:"format"`
	Name   string `json:"name"`
	// Modules are the files that places are in, by the order of first use.
	Modules []Module `json:"modules"`
	// Objects are what the update carries, one for each pair of pre and post.
	Objects []Object `json:"objects"`
	// Accepted is what a person has accepted for it, with the reasons.
	Accepted []finding.Finding `json:"accepted,omitempty"`
	// Fixes are what it fixes, such as CVE numbers, by the word of who made it. Like what was
	// accepted they are no part of the ID.
	Fixes []string `json:"fixes,omitempty"`
}

// UpdateFormat is the version of [Update] that this package makes and takes, and PadsFormat
// that of one with padding ([Redirect].Pads), which who knows only the other can't apply.
const (
	UpdateFormat = 1
	PadsFormat   = 2
)

// A Module identifies a mapped file.
type Module struct {
	Name    string `json:"name"`     // base name, such as libc.so.6
	Path    string `json:"path"`     // where it was; not part of its identity
	BuildID string `json:"build_id"` // hexadecimal; "" when the file has none
	Main    bool   `json:"main"`     // the program itself
}

// A Place is an address in a module: its link address, that is, the run
// address without the load bias.
type Place struct {
	Module int    `json:"module"` // index in Update.Modules
	Addr   uint64 `json:"addr"`
}

// An Object is one relocatable object of an update.
type Object struct {
	Name string `json:"name"` // of the pre object
	// ELF is the object that elfdiff extracted: changed and new functions with
	// what travels with them.
	ELF []byte `json:"elf"`
	// Imports say what its undefined symbols are.
	Imports []Import `json:"imports"`
	// Redirects are the functions that it replaces.
	Redirects []Redirect `json:"redirects"`
}

// An Import is the value of an undefined symbol, as run-pre matching proved
// it. An import with none of the values set is looked up by its name in the
// target, as the dynamic linker would.
type Import struct {
	Symbol  uint32 `json:"symbol"` // index in the object's symbol table
	Name    string `json:"name"`   // in pre or post
	Address *Place `json:"address,omitempty"`
	PLT     *Place `json:"plt,omitempty"`      // the PLT entry that calls go through
	GOT     *Place `json:"got,omitempty"`      // the GOT slot that holds the address
	TLSSlot *Place `json:"tls_slot,omitempty"` // the GOT slots that describe thread-local data
	// TLSBlock are the GOT slots that describe the TLS block of the module.
	TLSBlock *Place `json:"tls_block,omitempty"`
	// TPOff is the offset from the thread pointer, and TLS the one in the
	// module's TLS block.
	TPOff *int64  `json:"tpoff,omitempty"`
	TLS   *uint64 `json:"tls,omitempty"`
}

// A Redirect says which function of run is replaced by which of the object.
type Redirect struct {
	Function string `json:"function"` // its name in pre
	Symbol   uint32 `json:"symbol"`   // the new function, in the object's symbol table
	// Old are the pieces of the old function: its body, then its cold part.
	// No thread may stand in one of them when the redirect is written.
	Old []Span `json:"old"`
	// Entries are offsets in the body at which something else leads into it.
	Entries []uint64 `json:"entries,omitempty"`
	// Pads are padding near the function that belongs to nobody, for the long part of a jump
	// where the entry has no room for it. See [HotRel32].
	Pads []Span `json:"pads,omitempty"`
	// By says what singled the function out in run.
	By string `json:"by"`
}

// A Span is code in run with the bytes that were verified. They are what is
// compared again before anything is written, and what a revert puts back.
type Span struct {
	Place
	Bytes []byte `json:"bytes"`
}

// Redirects returns the number of functions that the update replaces.
func (u *Update) Redirects() int {
	n := 0
	for i := range u.Objects {
		n += len(u.Objects[i].Redirects)
	}
	return n
}

// WriteTo writes the update as JSON, with its ID.
func (u *Update) WriteTo(w io.Writer) (int64, error) {
	b, err := json.MarshalIndent(storedUpdate{u.ID(), u}, "", "\t")
	if err != nil {
		return 0, fmt.Errorf("write update: %w", err)
	}
	n, err := w.Write(append(b, '\n'))
	return int64(n), err
}
