package foresee

import (
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running"
)

// What is found, beside the codes of packages splice, module and running that a load would be
// refused with.
const (
	CodeUnseen     finding.Code = "unseen"         // something that would have to be known can't be read
	CodeLockdown   finding.Code = "lockdown"       // the kernel is locked down
	CodeMemory     finding.Code = "little-memory"  // there may not be enough memory
	CodeDepends    finding.Code = "depends"        // a module that it needs is not loaded
	CodeNotLoaded  finding.Code = "target-absent"  // a module whose functions it replaces is not loaded
	CodeNotThere   finding.Code = "no-function"    // the kernel does not have the function, or not that many of its name
	CodeImports    finding.Code = "imports"        // the kernel does not have a symbol that it uses, or it has no version of one
	CodeUntraced   finding.Code = "not-traced"     // a function that the function tracer does not know
	CodeHeld       finding.Code = "ip-modify"      // somebody else redirects the function by the function tracer
	CodeTraced     finding.Code = "traced"         // tracers are on the function
	CodeProbed     finding.Code = "probed"         // kprobes or kretprobes are in the function
	CodeBPF        finding.Code = "bpf-trampoline" // BPF programs are on the function
	CodeReplaced   finding.Code = "replaced"       // another livepatch replaces the function
	CodeCopies     finding.Code = "copies"         // another livepatch may hold copies of what it changes, which stay
	CodeStates     finding.Code = "states"         // another livepatch has changed more than functions, and the one that takes its place does not know that
	CodeInUse      finding.Code = "in-use"         // tasks are in the function
	CodeReturns    finding.Code = "returns-traced" // returns are traced, so that stacks do not tell who is in a function
	CodeLongLook   finding.Code = "long-look"      // livepatch looks at all tasks for long, without a break
	CodeUncompared finding.Code = "not-compared"   // code that is compared at load only

	CodeTracingOff finding.Code = running.CodeTracingOff // the function tracer, by which livepatch works, is switched off
	CodeBusyThread finding.Code = running.CodeBusyThread // a thread of the kernel runs all the time
)

// hints are what helps.
var hints = map[finding.Code]string{
	module.CodeKernel:     "use a kernel with CONFIG_LIVEPATCH",
	module.CodeOtherBuild: "make the update with the vmlinux of the kernel that runs",
	splice.CodeApplied:    "revert it first, or give the new one another name",
	splice.CodePermission: "become root, with CAP_SYS_MODULE",
	splice.CodeChanged:    "take away what changed it, or make the update for what runs",

	running.CodeSignature:    "sign it with a key whose certificate is in a keyring of the kernel (mkupdate -key -cert)",
	running.CodeInTransition: "wait for the end of that transition, or turn it back",

	CodeUnseen:     "look as root, with the usual file systems mounted",
	CodeLockdown:   "sign it with a key that the kernel knows: lockdown can't be left but by a restart",
	CodeMemory:     "free memory first",
	CodeDepends:    "load it first (modprobe)",
	CodeNotLoaded:  "nothing has to be done: it is patched when it is loaded",
	CodeNotThere:   "make the livepatch for this kernel",
	CodeImports:    "load the modules that have them first, or make the livepatch for this kernel",
	CodeTracingOff: "sysctl kernel.ftrace_enabled=1",
	CodeUntraced:   "replace functions that call it instead, or make the update by package module, which writes jumps into such functions",
	CodeHeld:       "take away what holds it: one user of the function tracer may redirect a function",
	CodeTraced:     "nothing has to be done: tracers go on with the function that is called",
	CodeProbed:     "take the probe away first, where it is still wanted put it into the new function later",
	CodeBPF:        "nothing has to be done: the programs go on with the function that is called",
	CodeReplaced:   "see that the new one has what the other one fixes: the function that was replaced last is called",
	CodeCopies:     "make one update of both changes, and let it take the place of that one; livectl fixes says afterwards whether the change is live",
	CodeStates:     "take the other one back first, or make the new one with the tool that made it",
	CodeInUse:      "wait for them to leave, or stop what they do",
	CodeBusyThread: "give it less to do while the livepatch is loaded, and while it is taken back, which is refused until each thread has slept: the kernel would wait for that, and nothing would end it (synchronize_rcu_tasks)",
	CodeReturns:    "stop the tracer first (echo nop > current_tracer)",
	CodeLongLook:   "load it while fewer tasks run, or make updates of fewer functions: it grows with the square of their number",
	CodeUncompared: "nothing has to be done: the module is refused then if it differs",
}
