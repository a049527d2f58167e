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
// says; the code of init and exit.
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
// What other modules export is imported as by any module, and makes the update
// depend on them. Static branches on keys in a patched module are refused, since
// the loader has to know the key before the module is there. Static calls of it
// go through their trampolines.
//
// # Functions that are not traced
//
// Livepatch takes over what begins with a call of the function tracer. What does
// not (inline functions that exist nevertheless, lib, kernel/trace) is taken over
// by a kprobe, once the transition is over, and until before it is undone. A call
// out of the handler of another kprobe still runs the old function. Several such
// functions in one update have to be asked for ([Options].Probes).
//
// # Constants
//
// Where a pair was compared with elfdiff.Options.InPlace, changed constants are
// overwritten after the transition, in aligned words, and restored before it is
// undone. When another update replaces this one (Replace), what was written stays.
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
// this package. States of an update (klp_state) are not offered.
package module
