package trial

import "time"

// Schema is the version of the JSON of a [Report]. Keys may be added to a version.
const Schema = 1

// A Report is what a trial showed. Its lists are never null in JSON.
type Report struct {
	Schema int    `json:"schema"` // [Schema]
	Kernel string `json:"kernel"` // the release, as the guest's kernel says it
	Update string `json:"update"` // the name of the module
	ID     string `json:"id"`     // its digest
	// OK says that everything was as it should be: there are no failures and no findings.
	OK bool `json:"ok"`
	// Failures are what was not, in order.
	Failures []Failure `json:"failures"`
	// Findings are what the kernel's log has that a healthy kernel does not say, since the
	// update was loaded; Earlier is what it had before.
	Findings []Finding `json:"findings"`
	Earlier  []Finding `json:"earlier"`
	// Objects are what livepatch says about the kernel and the modules that are changed.
	Objects []Object `json:"objects"`
	// Functions are where the functions led while the update was in place.
	Functions []Function `json:"functions"`
	Exercises []Exercise `json:"exercises"`
	// Pinned says that the update was disabled, and that its module stays, as it is to.
	Pinned bool `json:"pinned"`
	// Notes are what else is to be known: a module that could not be unloaded, or that a [Bench]
	// had to boot a new guest, and why. Stages has a stage of its own for that.
	Notes  []string `json:"notes"`
	Stages []Stage  `json:"stages"`
	// Console is the end of what the guest said on its console, when it died.
	Console string `json:"console"`
}

// A Failure is what went wrong in a stage.
type Failure struct {
	Stage string `json:"stage"`
	Text  string `json:"text"`
}

// A Finding is a line of the kernel's log, with the trace that belongs to it.
type Finding struct {
	Rule string `json:"rule"` // what kind of trouble: "WARN", "lockdep"
	Text string `json:"text"`
}

// An Object is what livepatch says about a file that is changed.
type Object struct {
	Name    string `json:"name"`    // vmlinux, or a module
	Patched bool   `json:"patched"` // livepatch leads its functions away; not so of a module that is not loaded
}

// The states of a [Function].
const (
	Live      = "live"       // calls run code of the update
	NotLoaded = "not-loaded" // the module that it is in is not loaded
	Dead      = "dead"       // calls do not lead to the update
)

// A Function is one that the update replaces.
type Function struct {
	Name   string `json:"name"`
	Module string `json:"module"` // that it is in, "" for built-in code
	Method string `json:"method"` // of package module: "ftrace", "jump", "probe" or "exit"
	State  string `json:"state"`  // [Live], [NotLoaded] or [Dead]
	Old    string `json:"old"`    // where it is, hexadecimal; "" when it is not loaded
	New    string `json:"new"`    // where the code is that calls run; "" when it is not known
	Why    string `json:"why"`    // it is not live
}

// An Exercise is one run of the exercise.
type Exercise struct {
	Phase   string        `json:"phase"`   // "before", "patched" or "reverted"
	Status  int           `json:"status"`  // of its exit, or 128 + the number of the signal that ended it
	Output  string        `json:"output"`  // its standard output, at most 64 KiB of it
	Errors  string        `json:"errors"`  // its standard error, likewise
	Elapsed time.Duration `json:"elapsed"` // nanoseconds
}

// A Stage is what took how long.
type Stage struct {
	Name    string        `json:"name"`
	Elapsed time.Duration `json:"elapsed"` // nanoseconds
}

func newReport(p *plan) *Report {
	return &Report{
		Schema: Schema, Kernel: p.kernel.Release, Update: p.Update.Name, ID: p.Update.ID,
		Failures: []Failure{}, Findings: []Finding{}, Earlier: []Finding{}, Objects: []Object{}, Functions: []Function{}, Exercises: []Exercise{}, Notes: []string{}, Stages: []Stage{},
	}
}
