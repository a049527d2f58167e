package elfdiff

import (
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// ErrRefused is what [Extract] returns, wrapped in a [*RefusedError], when a
// change can't be carried. It is the one of all packages.
var ErrRefused = finding.ErrRefused

// What is found and refused, as package finding has it.
type (
	// Finding is something that a person should know about a diff.
	Finding = finding.Finding
	// Refusal is a reason why a change can't be carried: not at all, or not until a
	// person accepts what comes of it.
	Refusal = finding.Refusal
	// RefusedError lists all the refusals of a diff. It is [ErrRefused].
	RefusedError = finding.RefusedError
	// Code names a kind of finding or refusal.
	Code = finding.Code
	// Acceptance is a person's word about findings that need judgement.
	Acceptance = finding.Acceptance
	// Severity says what a finding means for the update.
	Severity = finding.Severity
)

// The severities, from harmless to final.
const (
	Carried        = finding.Carried
	Ignored        = finding.Ignored
	NeedsJudgement = finding.NeedsJudgement
	Refused        = finding.Refused
)

// findingAt makes a finding about a place in an atom of the object.
func findingAt(o *object.Object, code Code, id object.AtomID, off uint64, format string, args ...any) Finding {
	f := newFinding(code)
	f.Message = fmt.Sprintf(format, args...)
	if id != object.NoAtom {
		a := &o.Atoms[id]
		f.Symbol, f.Section, f.Offset = a.Name, o.SectionName(a.Section), a.Offset+off
	}
	return f
}

// NewFinding makes a finding of a target's own about a symbol, with the severity, the
// hint and what comes of accepting it that the code has.
func NewFinding(code Code, symbol, message string) Finding {
	f := newFinding(code)
	f.Symbol, f.Message = symbol, message
	return f
}

// newFinding fills in what the table of codes says.
func newFinding(code Code) Finding { return finding.New(code) }

// firmly makes a finding one that can't be accepted.
func firmly(f Finding) Finding {
	f.Severity, f.Accept = Refused, ""
	return f
}

// report adds a finding, once per code and place: to the refusals, when its
// severity makes it one.
func (j *judge) report(f Finding) {
	key := Finding{Code: f.Code, Symbol: f.Symbol, Section: f.Section, Offset: f.Offset}
	if j.reported[key] {
		return
	}
	j.reported[key] = true
	if f.AcceptedBy(j.accept) {
		j.Findings = append(j.Findings, f)
	} else {
		j.Refusals = append(j.Refusals, Refusal{Finding: f})
	}
}

// The codes of this package, as package finding has them, where each is explained.
const (
	CodeDataChanged      = finding.CodeDataChanged
	CodeDataResized      = finding.CodeDataResized
	CodeKindChanged      = finding.CodeKindChanged
	CodeConstShared      = finding.CodeConstShared
	CodeTLSChanged       = finding.CodeTLSChanged
	CodeAmbiguousStatic  = finding.CodeAmbiguousStatic
	CodeSpecialSection   = finding.CodeSpecialSection
	CodeUnknownSection   = finding.CodeUnknownSection
	CodeOpaqueCode       = finding.CodeOpaqueCode
	CodeEdgeReference    = finding.CodeEdgeReference
	CodeInnerReference   = finding.CodeInnerReference
	CodeInitReference    = finding.CodeInitReference
	CodeTypeHash         = finding.CodeTypeHash
	CodeShortBranch      = finding.CodeShortBranch
	CodeEntryPoints      = finding.CodeEntryPoints
	CodeFallsThrough     = finding.CodeFallsThrough
	CodeIndirectFunction = finding.CodeIndirectFunction
	CodeRelocation       = finding.CodeRelocation
	CodeSharedAddress    = finding.CodeSharedAddress
	CodeKeptAlignment    = finding.CodeKeptAlignment
	CodeOtherObject      = finding.CodeOtherObject
	CodeStartState       = finding.CodeStartState
	CodeDeepStack        = finding.CodeDeepStack
	CodeLockPairs        = finding.CodeLockPairs
	CodeStoredKeys       = finding.CodeStoredKeys
	CodeOldObject        = finding.CodeOldObject
	CodeOtherLock        = finding.CodeOtherLock
	CodeLockOrder        = finding.CodeLockOrder
	CodeReferencePairs   = finding.CodeReferencePairs
	CodeWaitPairs        = finding.CodeWaitPairs
	CodeOldCallback      = finding.CodeOldCallback
	CodeAlignment        = finding.CodeAlignment
	CodeOrphanCold       = finding.CodeOrphanCold
	CodeCompiler         = finding.CodeCompiler
	CodeTableDiffers     = finding.CodeTableDiffers
	CodeLayoutAmbiguous  = finding.CodeLayoutAmbiguous
	CodeExitCode         = finding.CodeExitCode
	CodeUnnamed          = finding.CodeUnnamed
	CodeIntermediate     = finding.CodeIntermediate
	CodeNoSymbols        = finding.CodeNoSymbols
	CodeNoCode           = finding.CodeNoCode
	CodeTableEntry       = finding.CodeTableEntry
	CodeExported         = finding.CodeExported
	CodeException        = finding.CodeException
	CodeTypeLayout       = finding.CodeTypeLayout
	CodeTypeEnum         = finding.CodeTypeEnum
	CodeTypeSignature    = finding.CodeTypeSignature
	CodeTypeConstant     = finding.CodeTypeConstant
	CodeNotGiven         = finding.CodeNotGiven

	CodeTailCalled    = finding.CodeTailCalled
	CodeSleepingStack = finding.CodeSleepingStack
	CodeThreadLoop    = finding.CodeThreadLoop
	CodeNMI           = finding.CodeNMI
	CodeHotProbe      = finding.CodeHotProbe
	CodeModuleStart   = finding.CodeModuleStart
	CodeNoEndbr       = finding.CodeNoEndbr

	CodeRemoved           = finding.CodeRemoved
	CodeConstructor       = finding.CodeConstructor
	CodeInitCode          = finding.CodeInitCode
	CodeExport            = finding.CodeExport
	CodeParameter         = finding.CodeParameter
	CodeModuleInfo        = finding.CodeModuleInfo
	CodeNote              = finding.CodeNote
	CodeUnused            = finding.CodeUnused
	CodeExceptionPath     = finding.CodeExceptionPath
	CodeUnreferencedState = finding.CodeUnreferencedState
	CodeFreshState        = finding.CodeFreshState
	CodeSymbols           = finding.CodeSymbols
	CodeAddressKept       = finding.CodeAddressKept
	CodeInPlace           = finding.CodeInPlace
	CodeInitials          = finding.CodeInitials
	CodeNoTypes           = finding.CodeNoTypes
	CodeNoDebug           = finding.CodeNoDebug
)

// missing refuses objects of which one has nothing to compare. That both lack what
// is compared is no sign that they are the same.
func (j *judge) missing() {
	half := isBlank(j.Pre) != isBlank(j.Post) // a file that is new, or gone
	for i, o := range [2]*object.Object{j.Pre, j.Post} {
		var refused *RefusedError
		if !(half && isBlank(o)) && errors.As(o.Missing(), &refused) {
			f := refused.Refusals[0].Finding
			f.Message = fmt.Sprintf("%s: %s", [2]string{"pre", "post"}[i], f.Message)
			j.report(f)
			return
		}
	}
	if a, b := j.Pre.HasCode(), j.Post.HasCode(); a != b && !half {
		f := newFinding(CodeNoCode)
		f.Message = "pre has code, and post has none"
		if b {
			f.Message = "post has code, and pre has none"
		}
		j.report(f)
	}
}
