package image

import (
	"encoding/json"
	"fmt"

	"github.com/gosplice/gosplice/internal/words"
)

// PatchKind says what someone did to code that runs, other than what the kernel
// does to all of its code when it starts.
type PatchKind uint8

// The kinds of patch.
const (
	// PatchTraced: the call of the function tracer is on. Who is called is up
	// to it: a tracer, a probe, a BPF program, a livepatch.
	PatchTraced PatchKind = iota
	// PatchBreakpoint: int3 over the first byte of an instruction, as kprobes
	// set it.
	PatchBreakpoint
	// PatchProbeJump: a jump over at least five bytes into the buffer of an
	// optimised kprobe.
	PatchProbeJump
	// PatchLivepatch: the function is replaced by the one at Target.
	PatchLivepatch
	// PatchJump: the function begins with a jump to Target.
	PatchJump
)

var patchNames = [...]string{"traced", "breakpoint", "probe jump", "livepatch", "jump"}

// String returns the kind in lower case.
func (k PatchKind) String() string {
	if int(k) < len(patchNames) {
		return patchNames[k]
	}
	return fmt.Sprintf("patch(%d)", uint8(k))
}

// A Patch is a place in a matched function where someone has put something. All
// other bytes are verified.
type Patch struct {
	Kind    PatchKind
	Offset  uint64 // in the function of pre, bytes
	Address uint64 // in run
	Target  uint64 // where it leads, 0 for a breakpoint
	Name    string // what run's symbols say about Target, "" when they don't
}

// MarshalText makes a PatchKind its words in JSON.
func (k PatchKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the words of a PatchKind.
func (k *PatchKind) UnmarshalText(b []byte) error {
	return words.Parse(k, b, patchNames[:], "kind of patch")
}

// patchJSON is the form of a Patch in JSON.
type patchJSON struct {
	Kind    PatchKind     `json:"kind"`
	Offset  words.Address `json:"offset"`
	Address words.Address `json:"at"`
	Target  words.Address `json:"target,omitzero"`
	Name    string        `json:"name,omitempty"`
}

// MarshalJSON writes the patch as an element of that of a result of matching.
func (p Patch) MarshalJSON() ([]byte, error) {
	return json.Marshal(patchJSON{p.Kind, words.Address(p.Offset), words.Address(p.Address), words.Address(p.Target), p.Name})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Patch) UnmarshalJSON(b []byte) error {
	var j patchJSON
	err := json.Unmarshal(b, &j)
	*p = Patch{j.Kind, uint64(j.Offset), uint64(j.Address), uint64(j.Target), j.Name}
	return err
}
