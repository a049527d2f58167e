package running

import (
	"errors"
	"syscall"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// What the kernel refuses, beside the codes of packages splice and module.
const (
	CodeSignature    splice.Code = "signature"     // the kernel does not take the signature of a module
	CodeNotEnabled   splice.Code = "not-enabled"   // a module that was loaded enabled no livepatch
	CodeEnabled      splice.Code = "enabled"       // a livepatch that is to be unloaded is not disabled
	CodeInTransition splice.Code = "in-transition" // another livepatch is in transition: there is one at a time
	CodeTracingOff   splice.Code = "tracer-off"    // the function tracer, by which livepatch works, is switched off
	CodeBusyThread   splice.Code = "busy-thread"   // a thread of the kernel runs all the time, and livepatch would wait for it without end
)

// explanation is what an answer of the kernel means.
type explanation struct {
	is            syscall.Errno
	code          splice.Code
	message, hint string
}

// explain turns an answer of the kernel into a refusal. What it does not know stays.
func explain(name string, err error) error { return explainBy(explanations, name, err) }

// explainLoad is explain for the load of a file: some answers mean something else where others
// than package module made it.
func explainLoad(f *File, err error) error {
	if f.Module == nil {
		err = explainBy(explanationsOfOthers, f.Name, err)
	}
	if _, ok := err.(*splice.Refusal); ok {
		return err
	}
	return explain(f.Name, err)
}

func explainBy(list []explanation, name string, err error) error {
	for i := range list {
		if e := &list[i]; errors.Is(err, e.is) {
			r := refuse(e.code, name, "%s", e.message)
			r.Hint, r.Err = e.hint, err
			return r
		}
	}
	return err
}

// hints are for what package splice has none for.
var hints = map[splice.Code]string{
	module.CodeKernel:     "use a kernel with CONFIG_LIVEPATCH, or make the update with the vmlinux of this one",
	module.CodeOtherBuild: "make the update with the vmlinux of the kernel that runs",
	CodeNotEnabled:        "unload it; a livepatch is enabled by the module's init",
	CodeEnabled:           "disable it first",
	CodeInTransition:      "wait for the end of that transition, or turn it back, and try again",
	CodeTracingOff:        "sysctl kernel.ftrace_enabled=1",
	CodeBusyThread:        "stop what has them run, or wait longer until they have less to do; nothing was asked of livepatch",
	splice.CodeNotApplied: "ask for the status to see what is loaded",
}

func refuse(code splice.Code, symbol, format string, args ...any) *splice.Refusal {
	r := splice.Refuse(code, symbol, "", 0, format, args...)
	if r.Hint == "" {
		r.Hint = hints[code]
	}
	return r
}
