package store

import (
	"fmt"

	"github.com/gosplice/gosplice/splice"
)

// What is refused, beside the codes of packages running and lint.
const (
	CodeUnsafe        splice.Code = "store-unsafe"       // others could have written what the store has, or it is no file
	CodeDamaged       splice.Code = "store-damaged"      // a file of the store is not whole, or makes no sense
	CodeUnsigned      splice.Code = "unsigned"           // an update without a signature, where the policy wants one
	CodeNotAccepted   splice.Code = "key-not-accepted"   // a signature that is none by a key that the policy accepts
	CodeNotCumulative splice.Code = "not-cumulative"     // an update that does not take the place of others, where the policy wants that
	CodeThere         splice.Code = "in-store"           // the store has it already, or another of its name for that kernel
	CodeNone          splice.Code = "not-in-store"       // the store has none of that name
	CodeSeveral       splice.Code = "several-in-store"   // several have that name
	CodeLeftOut       splice.Code = "left-out"           // it was active when a boot failed
	CodeLocked        splice.Code = "store-locked"       // somebody else changes the store
	CodeNotLoaded     splice.Code = "not-guarded"        // the guard can't be written, so that nothing is loaded
	CodeForOther      splice.Code = "for-another-kernel" // it is for another kernel than the one that runs
)

var hints = map[splice.Code]string{
	CodeUnsafe:        "see who wrote there; then have root own the folder and all in it, and let nobody else write (chown -R root:root, chmod -R go-w)",
	CodeDamaged:       "take the file from a backup; without policy.json all is refused but what the policy is given anew, without index.json the store is empty",
	CodeUnsigned:      "sign it (Module.Sign, mkupdate -key -cert; or beside it, with openssl cms), or have the policy say that signatures are optional",
	CodeNotAccepted:   "add the certificate of the signer to the policy, if it is to be trusted",
	CodeNotCumulative: "make it cumulative (Options.Replace, mkupdate -replace), or have the policy say stacked",
	CodeThere:         "remove that first, or make the new one under another name",
	CodeNone:          "list the store to see what it has",
	CodeSeveral:       "name it by its digest, as the list has it",
	CodeLeftOut:       "find out why the machine did not come up; then allow it again",
	CodeLocked:        "try again when the other command is done",
	CodeNotLoaded:     "give the store a place that can be written to when the machine starts",
	CodeForOther:      "it is loaded when the machine runs that kernel",
}

// refuse makes a refusal about an update or a file.
func refuse(code splice.Code, name, format string, args ...any) *splice.Refusal {
	r := splice.Refuse(code, name, "", 0, format, args...)
	r.Hint = hints[code]
	return r
}

func refuseBy(err error, code splice.Code, name, format string, args ...any) *splice.Refusal {
	r := refuse(code, name, format, args...)
	r.Err = err
	return r
}

// within says what was being done when an error came.
func within(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("store: %s: %w", what, err)
}
