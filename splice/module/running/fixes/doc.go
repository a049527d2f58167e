// Package fixes says which fixes a kernel has in its memory: which of them are live, which are
// not, and of which that can't be told. It goes by the code that runs, and not by versions.
//
//	m, err := module.Read(file)               // an update, whether it is loaded or not
//	s, err := fixes.Of(m)
//	img, err := reloc.OpenRunning()
//	report, err := fixes.Check(ctx, img, s)
//	err = report.Text(w)
//
// The file of an update has each function that it changes as it was compiled without and with
// the change. Both are matched with the memory of the kernel, see package reloc: every byte is
// compared but for what the kernel rewrites on its own, and every reference has to lead to what
// it names. What is compared is the code that calls of the function lead to. That may be in the
// module of a livepatch, whoever made it: then its own code is what is compared, and the way
// there is followed, by livepatch's list in memory and the call of the function tracer at the start
// of the function, or by a jump.
//
// A fix is
//
//   - fixed, when the code of each function that it changes is that with the change. It need not be
//     there by an update: a kernel that was built again, with the fix in its source, has it as well.
//   - not fixed, when a function is seen to run without the change, and none that says otherwise.
//   - undecided, when neither can be seen: a function is as neither of the two, a module
//     is not loaded, a transition is under way, several fixes share an object and
//     not all of them are there, something else than code is changed, or another livepatch has
//     replaced a function that called what the fix changes, and calls it less often: it may hold a
//     copy, as it was before.
//
// What nothing can redirect, such as the body of a system call, takes effect by its callers: it counts as
// fixed when all of these run with the change, and call the one with the change. A use of it
// that another livepatch has added, inlined, is not seen.
//
// Functions that were inlined into others have no code of their own: those that they were inlined
// into differ as well, and are what is compared.
package fixes
