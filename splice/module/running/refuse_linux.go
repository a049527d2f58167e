package running

import (
	"syscall"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// explanations are what the kernel's answers mean, in the order in which they are tried.
var explanations = []explanation{
	{syscall.EKEYREJECTED, CodeSignature, "the kernel does not take its signature", "sign it with a key whose certificate is in a keyring of the kernel (Module.Sign; mkupdate -key -cert)"},
	{syscall.ENOKEY, CodeSignature, "the kernel does not have the key of its signature", "enrol the certificate (mokutil --import), or use a key that the kernel knows"},
	{syscall.EPERM, splice.CodePermission, "the kernel does not let us load or remove modules", "run as root; see kernel.modules_disabled and the lockdown of the kernel"},
	{syscall.EACCES, splice.CodePermission, "the kernel does not let us load or remove modules", "run as root; see security modules"},
	{syscall.EINVAL, splice.CodeChanged, "what runs is not what it was made for", "the kernel log names the function and the place: take away the probe or the tracer that is there, or make the update for what runs"},
	{syscall.EBUSY, splice.CodeBusy, "tasks stood in the code that would change", "try again when the machine has less to do; the kernel log names the function and the task"},
	{syscall.ENOEXEC, module.CodeOtherBuild, "the kernel does not take its format or its versions of exports", "make the update with the vmlinux of the kernel that runs"},
	{syscall.EEXIST, splice.CodeApplied, "a module of that name is loaded", "revert it first to apply it again"},
}

// explanationsOfOthers are those of the answers to a load that others' modules get for other
// reasons.
var explanationsOfOthers = []explanation{
	{syscall.EINVAL, splice.CodeChanged, "the kernel does not find what it replaces, or has other versions of what it uses", "make it for the kernel that runs"},
	{syscall.ENOENT, module.CodeOtherBuild, "the kernel does not have what it uses", "load the modules that it needs first, or make it for the kernel that runs"},
	{syscall.EBUSY, splice.CodeBusy, "another livepatch is in transition, or somebody else redirects a function, or the function tracer is off", "wait for that transition; take away what redirects the function; sysctl kernel.ftrace_enabled=1"},
}
