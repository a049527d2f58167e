// Package module turns changes of kernel code, built in or in modules, into a
// livepatch module that the unmodified kernel loads: without kbuild, modpost, a linker or a
// compiler.
//
//	k, err := module.OpenKernel("vmlinux")            // of the running build
//	diff, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
//	match, err := reloc.Match(ctx, pre, k.Run(), reloc.Options{})
//	m, err := module.Build(k, module.Options{Name: "fix"}, module.Pair{Diff: diff, Match: match})
//	m.WriteTo(w)
//
// # What it is made of
//
// The changed functions with their data and with the entries of the tables that
// describe them, in the sections where the kernel's module loader looks for
// them; the structures of livepatch, laid out as the BTF of the very kernel
// says; and code of the module's own, which is written in C, compiled ahead, and
// linked as the patch is: see internal/kcode.
//
// # References
//
// An exported symbol is a plain undefined symbol with its CRC, so that the
// loader checks it as for any module. Everything else in vmlinux is reached by
// an exported anchor and a constant: KASLR moves the image as a whole, so that
// distances in it are constants of the build. Unlike a name with a position
// (.klp.sym) this can't be ambiguous, needs no kallsyms, and works in every
// table. Per-CPU variables, which do not move, have an anchor among themselves.
// The constants hold for one build only, which is what init proves first.
//
// # It proves itself
//
// Before it asks livepatch for anything, init compares the build-id of the
// running kernel, and the running bytes of every function that it replaces,
// with what run-pre matching saw. Bytes that the kernel rewrites on its own
// (see the tables of the image: alternatives, ftrace, static branches, ...) are
// masked; absolute addresses are compared as KASLR has moved them. On a
// difference the module is not loaded (EINVAL), and the kernel log names the
// function and the offset.
//
// # Modules
//
// One update can change the kernel itself and any number of its modules, see
// [Kernel.OpenModule]. They need not be loaded, and may be unloaded and loaded
// again. Whenever one is there, livepatch calls the update's pre_patch callback
// for it, before any of its code leads to the new code. The callback proves that
// it is the module whose file was given (its build-id, the sizes and places of
// its parts, the functions that are replaced, with every address in them), and
// then fills in the addresses that the new code has of it. No .klp.rela section
// is used: Linux 6.1 can't load a module a second time after one was applied. On
// a difference the update is not loaded, or, when the module comes later, the
// module is not, which is livepatch's own rule.
//
// What other modules export, and new code of a module uses, is found in the same
// callback, by name, owner and CRC, as the loader finds it for the module itself
// (find_symbol of kernel/module/main.c). That is for owners that the module depends
// on: they are there whenever it is, and stay as long as it does. So the update
// depends on none of them. A further one, which only the patch brings in, is imported
// as by any module; the update then depends on it, which is a finding
// ([FindingNeeds]). Static branches on keys in a patched module ask for their key
// whenever they are passed, since the loader would have to know the key before the
// module is there. Static calls of it go through their trampolines.
//
// # Functions that are not traced
//
// Livepatch takes over what begins with a call of the function tracer. Code of the
// kernel itself that does not (kernel/trace, lib, inline functions that exist
// nevertheless) is taken over by a jump at its beginning, behind an ENDBR64
// ([MethodJump]). The jumps are written by the pre_patch callback, and undone by
// post_unpatch: the first step of an update, and the last of its end, each for all
// functions and all tasks at once. All processors are stopped for it, and wait in the
// module's own code. Then the stacks of all tasks, idle ones too, are looked at, word
// by word: nothing is written while one of them leads to the old code. A word that is left of
// an earlier call does not count where the kernel's own unwinder, which livepatch relies on, tells all
// frames of the task, and none is in the code. When that lasts 3 seconds, the update is not loaded (EBUSY), and the kernel log names the function
// and the task. What stands where a jump goes is compared again first.
//
// When the update is disabled, a stack that leads to the new code keeps the module
// loaded, for ever, and so does a jump that somebody else has changed: nothing is
// written then. The log says it, and package running refuses to call it disabled in the second case. A cumulative update of this package takes the jumps
// of earlier ones over; they carry a state (klp_state) for it, by which the kernel
// refuses cumulative updates that know nothing of jumps (EINVAL).
//
// # Code that livepatch does not look for
//
// Livepatch looks on stacks for the old functions, or, on the way back, for the new ones
// (klp_check_stack_func). It does not see who is in their parts that stand elsewhere (.cold), nor in a function
// that they jump to at their end, as the stubs of system calls do. Of the old code, that is
// told where an update replaces the callers alone, and judged where the old function calls what
// is new ([elfdiff.CodeTailCalled]); jumps look for it. Of the new code, the module's end waits:
// rmmod does not return before the last task has left, and the log names it. Words on a stack that are
// left of earlier calls don't count there, by the kernel's own unwinder.
//
// # What jumps need
//
// A jump is refused, with a code, where the function has no room for it, where
// something leads into its bytes or the kernel rewrites them while it runs, and in
// code of entries, exceptions and probes (.noinstr.text and others). A kprobe takes
// over what a jump can't ([MethodProbe]), once the transition is over, and until
// before it is undone. A call out of the handler of another kprobe still runs the old
// function. Nothing makes a task run the old or the new version of all of them, so
// that one beside others has to be asked for ([Options].Probes).
//
// Such functions of a module (lib, inline functions that are called from elsewhere) have jumps too.
// They are written in the callbacks that livepatch calls for that module: in the update's first
// step where the module is there, and where it comes later before it runs, when no stack is looked
// at. When it goes, they go with it. Each module has its jumps at once, one after the other. An
// update with such jumps is never one that replaces others (Replace), and none takes its place:
// it carries a state of its own, by which the kernel refuses that (EINVAL).
//
// What jumps can't do:
//
//   - NMIs are not stopped. One that runs through the five bytes while they are
//     written can meet a half of them: see below. What programs have attached (BPF)
//     and tracers that run in NMIs are not seen there, such as the ring buffer's users.
//   - While returns are traced (function_graph, kretprobes), return addresses are not
//     on the stacks. A stack with such a frame counts as one in the way, also after
//     the tracer is gone, until that task returns.
//   - Words of a stack that only look like return addresses are taken for some, so
//     that an update may be refused without need, or its module stay.
//   - Where a task that ends has left the list of tasks, its stack is not looked at;
//     livepatch does not either.
//
// # Kernels without livepatch
//
// A kernel without CONFIG_LIVEPATCH takes the same updates by jumps alone: it needs neither the
// function tracer nor kallsyms, nor BTF where its vmlinux has debug information. Where a function
// begins with a call of the tracer, the jump stands behind that. What livepatch does besides is
// in the module: it is held while the update is in effect (EBUSY when it is removed), and
// /sys/module/NAME/parameters/enabled shows 1 then. A 0 that is written there ends it:
//
//	EBUSY   the functions are as before, and somebody runs new code: write it again, before
//	        the module can be removed; or a later update replaces a function of this one
//	        again, and nothing was done: disable that first
//	EINVAL  somebody has changed a jump, and nothing was done
//
// Once disabled, it has to be removed and loaded again. A later update that replaces a function
// again stands over the earlier one: it is loaded when nobody runs the code of either, and
// leads back to the earlier one when it is disabled. The finding at-once ([FindingAtOnce]) says that
// all this is so.
//
// Refused ([CodeNoLivepatch]) is what needs livepatch: functions in modules, callbacks of a patch, and
// Replace. There is no transition task by task, so that a function in which some task always sleeps
// can't be replaced, and no kprobe takes over what a jump can't. The kernel has to be one for
// several processors (CONFIG_SMP). Package running and insmod load such a module alike.
//
// # Exit functions of modules
//
// The exit function of a module (__exit) is not traced either. The kernel calls it by the
// member exit of struct module, which it reads for nothing else, so that the update writes
// there ([MethodExit]): once the transition is over, and back before it is undone, from the
// callbacks that livepatch calls for the module. It compares what is there first: an update
// is refused (EINVAL) where somebody else has set another function. From the beginning to
// the end of a transition the module can't be removed (EWOULDBLOCK, as if it were in use), so that
// nobody runs the exit function of one version with functions of the other, and an update is
// refused (EBUSY) while the module is being removed. Who disables an update while the
// module runs its exit function lets that run to its end: the update then has to stay loaded,
// as the log says, and the exit function may run functions of both versions.
//
// Of two updates the later has it, as with any function. A cumulative update takes over those
// of earlier ones, or puts back the module's own; there is a state (klp_state) for it.
//
// What a module's exit function undoes is what its init function did, and that has run, or
// runs as it was when the module is loaded later. So elfdiff carries exit code only where
// the code for the start is the same, else it is judged (exit-code); and only the exit
// function itself with what nothing else calls. The finding exit says that there is one.
// Where a person accepts exit-code, the exit function stays as it is.
//
// # What a person has to judge
//
// Build knows the call graph of the kernel, and of each module that is changed: it
// decodes all code once for a [Kernel] (0.5 s for 6.1), and follows direct calls and
// jumps. With it, and before anything is written, it finds, as findings that need
// judgement ([Options].Accept):
//
//	sleeping-stack  on the stack of tasks whenever they sleep: schedule() and what
//	                kernel threads wait by; or tasks were seen in it, see Tasks
//	thread-loop     a kernel thread leaves it only when it ends: it is handed over to
//	                kthread_create() or the like, or never returns, and sleeps in a loop
//	nmi             NMIs, machine checks, double faults and debug exceptions run it
//	                while a jump or a probe would be written, or nothing else runs it
//	hot-probe       a kprobe would take over what is called from many places
//
// A function whose parameters or result changed needs no judgement (finding
// type-signature) where it and all code and data that refer to it are given, and all
// of the objects' functions are replaced in one way: no task calls the new function
// from an old one. That takes pairs that were compared without elfdiff.Options.Types,
// which asks for a judgement of each object for itself.
//
// Functions in which tasks of programs may sleep for long, such as poll(), are not
// among them: livepatch wakes these by a signal, and they leave the kernel.
//
// # Constants
//
// A changed constant travels as a copy only where nothing but its content is read.
// Where its address is known to others, as those of tables of operations are, it has one
// identity: where a pair was compared with elfdiff.Options.InPlace, it is overwritten
// after the transition, while all other processors stand still, and restored before that
// is undone; objects that are open follow at once, for all tasks. It is compared before,
// with the addresses in it. When another update replaces this one (Replace), what was
// written stays. In a module it is compared and written each time the module is there, before
// its init function runs; what that function has copied elsewhere stays as it is.
//
// # An update in the place of an earlier one
//
// With [Options].Earlier the update replaces one that is loaded (the kernel's own Replace):
// livepatch goes over to it in one transition, and the earlier module can be unloaded then. Each
// module has in its .modinfo which patches it is made of, and what it replaces. What the
// earlier one does and this one does not is listed and judged (lost): give its patches too.
// What it wrote to data stays (data-stays), and so do shadow variables.
//
// # What stays
//
// Where others may keep an address of what the update brings along (a callback, a timer,
// work, a list, operations in objects that are open, a new literal), its module is
// pinned ([Module].Pinned): it can be disabled, but not removed (EBUSY), nor loaded again
// under its name. The finding address-kept names each such place. Literals that the
// running kernel has are used there instead of copies. What the kernel takes back by
// itself when a module goes (static branches and calls, bugs, dynamic debug) pins
// nothing, nor do functions that are known to keep nothing (printk, locks, sort, ...).
// [Options].Unpin takes a person's word that the callbacks of the patch take it back.
//
// # Initial values
//
// Where a pair was compared with elfdiff.Options.Initials, members of variables whose
// initial value differs are set: words of 1, 2, 4 or 8 bytes, compared and written in
// one step, after the transition. One that does not hold what the kernel was linked
// with belongs to somebody, and is left alone. Before the transition is undone, what
// was set and still stands there goes back. The kernel log says what became of each.
// A value that leads to code or data of the module pins it, since somebody may have read
// it: it can be disabled, and not be removed. Variables of a module are set each time the
// module is there, before its init function runs.
//
// # Signatures
//
// [Module.Sign] signs as the kernel's build does. The kernel must have the
// certificate in a keyring that its module loader asks: one of the distribution,
// or one that the owner of the machine has enrolled (MOK).
//
// # Limits
//
// What can't be done safely is refused with a [splice.Refusal]: see the codes of
// this package. States of an update of its own (klp_state) are not offered.
package module
