package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// What a comparison says of each function and data object, as package verdict has it.
type (
	// Change is the verdict on one function or data object.
	Change = verdict.Change
	// Status says whether it is the same.
	Status = verdict.Status
	// Reason is the first place at which pre and post differ.
	Reason = verdict.Reason
	// Rule is how pre and post were paired.
	Rule = verdict.Rule
)

// The verdicts.
const (
	Same    = verdict.Same
	Changed = verdict.Changed
	New     = verdict.New
	Removed = verdict.Removed
)

// What an update carries, as package extract has it.
type (
	// Extracted is the object with the changes.
	Extracted = extract.Extracted
	// Kept is what others may keep the address of.
	Kept = extract.Kept
)
