package source

import (
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/bundle"
)

// Schema is the version of the JSON of a [Result]. Keys may be added to a version.
const Schema = 1

// An Outcome says what became of patches as a whole.
type Outcome string

// The outcomes, from what is best.
const (
	OutcomeMade     Outcome = "made"      // there is an update
	OutcomeIgnored  Outcome = "ignored"   // what changed is for the start of the kernel, or for nobody: nothing of it runs
	OutcomeNoChange Outcome = "no-change" // no code and no data that runs is another
	OutcomeJudge    Outcome = "judge"     // a person has to accept something first
	OutcomeRefused  Outcome = "refused"   // it can't be carried
	OutcomeFailed   Outcome = "failed"    // it does not apply, or does not compile
	OutcomeError    Outcome = "error"     // something went wrong on the way: nobody knows, see [Unfinished]
)

// A Result is what became of one or more patches: all that a person or a pipeline has to
// know of it. It comes back from JSON as it was, but for the file of the update. Its lists are never null.
type Result struct {
	Schema  int      `json:"schema"` // [Schema]
	Name    string   `json:"name"`   // of the module
	Outcome Outcome  `json:"outcome"`
	Kernel  Identity `json:"kernel"`
	// Patches are the patches, in the order in which they were given.
	Patches []PatchResult `json:"patches"`
	// Files are what the patches that are in change.
	Files []FileResult `json:"files"`
	// Objects are what was compiled because of that.
	Objects []ObjectResult `json:"objects"`
	// Update is the module, null when there is none.
	Update *module.Module `json:"update"`
	// Bundle is the objects of the module, for kernels of other builds; nil unless [Options] ask for it, and
	// where there is no module: what it has was matched with this kernel.
	Bundle *bundle.Bundle `json:"-"`
	// Programs are the programs and libraries that patches of their source are for, absent of
	// patches of a kernel's.
	Programs []Program `json:"programs,omitempty"`
	// Refusals say why there is none; by their severity, a person may accept some.
	Refusals []*finding.Refusal `json:"refusals"`
	// Findings are what to know beside them about the update as a whole.
	Findings []finding.Finding `json:"findings"`
	// Affected is what changed types and signatures matter to and is not in the patches.
	Affected []module.Affected `json:"affected"`
	// Stages is what took how long.
	Stages []Stage `json:"stages"`
}

// Identity says which kernel an update is for.
type Identity struct {
	Release  string `json:"release"`  // as uname -r prints it
	BuildID  string `json:"build_id"` // of its vmlinux, hexadecimal
	Vermagic string `json:"vermagic"`
	Compiler string `json:"compiler"` // as the compiler names itself
	Config   string `json:"config"`   // SHA-256 of the configuration, hexadecimal
	Tree     string `json:"tree"`     // what the prepared source is kept under: its content
}

// Presence says how much of a patch is in an update.
type Presence string

// The presences.
const (
	Whole   Presence = "whole" // all of it that concerns code that runs
	Partly  Presence = "part"  // Reasons say what is not
	Nothing Presence = "none"  // Reasons say why
)

// A PatchResult is what became of one patch.
type PatchResult struct {
	Name    string   `json:"name"`    // its file
	Digest  string   `json:"digest"`  // SHA-256 of the diff, hexadecimal
	Subject string   `json:"subject"` // "" when it does not say
	Author  string   `json:"author"`
	CVEs    []string `json:"cves"`
	Fixes   []string `json:"fixes"` // its tags Fixes:
	In      Presence `json:"in"`
	// Reasons say why it is not in as a whole, and what would bring it in.
	Reasons []string `json:"reasons"`
	// Needs are the patches that it does not apply or compile without.
	Needs []string `json:"needs"`
}

// A FileKind is what a file is to a build.
type FileKind string

// The kinds of files.
const (
	FileSource    FileKind = "source"    // compiled by itself
	FileHeader    FileKind = "header"    // included by others
	FileMakefile  FileKind = "makefile"  // says what is compiled, and how
	FileKconfig   FileKind = "kconfig"   // says what can be configured
	FileGenerator FileKind = "generator" // makes other files
	FileOther     FileKind = "other"     // documentation, tools, and the like: no part of the kernel
)

// A FileResult is one file that patches change.
type FileResult struct {
	Path    string   `json:"path"`
	Kind    FileKind `json:"kind"`
	Change  string   `json:"change"`  // "modified", "new" or "deleted"
	Objects int      `json:"objects"` // how many are compiled because of it
	Note    string   `json:"note"`    // why none is, or what else there is to know
}

// An ObjectResult is one object, compiled without and with the patches.
type ObjectResult struct {
	Object string `json:"object"` // its path in the tree
	Source string `json:"source"`
	// Target is the module that it is part of, "" for the kernel itself.
	Target  string          `json:"target"`
	Outcome elfdiff.Outcome `json:"outcome"`
	Changes []Change        `json:"changes"`
	// Because are the files of the patches that it is compiled for.
	Because []string `json:"because"`
	// Findings and Refusals are those of the comparison.
	Findings []elfdiff.Finding  `json:"findings"`
	Refusals []*finding.Refusal `json:"refusals"`
	// SetAside are differences that the build made and the patch did not, each with the reason.
	SetAside []string `json:"set_aside"`
	// NotCompiled says why there was no need to: nothing in it uses what differs in headers. It
	// is "" for what was compiled.
	NotCompiled string   `json:"not_compiled"`
	Pre         Compiled `json:"pre"`
	Post        Compiled `json:"post"`
}

// NewObjectResult is the result of an object before it is compared: nothing differs.
func NewObjectResult(object, source string) ObjectResult {
	return ObjectResult{
		Object: object, Source: source, Outcome: elfdiff.OutcomeSame, Because: []string{}, Changes: []Change{},
		Findings: []elfdiff.Finding{}, Refusals: []*finding.Refusal{}, SetAside: []string{},
	}
}

// Compiled says how an object was come by.
type Compiled struct {
	Digest string `json:"digest"` // SHA-256 of the object, hexadecimal; "" when there is none
	Kept   bool   `json:"kept"`   // it was compiled before
	// Elapsed is how long that took, in nanoseconds.
	Elapsed time.Duration `json:"elapsed"`
}

// A Change is a function or a variable that differs.
type Change struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`   // "function", "data", ...
	Status string `json:"status"` // "changed", "new" or "removed"
	Why    string `json:"why"`    // the first difference
}

// A Stage is a part of the way, and how long it took.
type Stage struct {
	Name    string        `json:"name"`
	Elapsed time.Duration `json:"elapsed"` // nanoseconds
}
