// Package verify says whether the updates that a kernel has loaded are in effect: whether their
// code in memory is what their files have, and whether all calls of what they replace lead there.
//
//	f, err := running.Open("fix.ko")
//	img, err := reloc.OpenRunning()
//	report, err := verify.Check(ctx, img, f)
//
// For each livepatch whose file is given, its module is found by its build-id, and
//
//   - its functions are matched with the memory of the module (package reloc): every byte, but for
//     what the loader rewrites, in the form that it would have, and every reference;
//   - counts of shifts and masks that the kernel computes as it starts, and that init takes over into the
//     code, are what the kernel's variables hold;
//   - what the file has undefined is at a symbol of that name;
//   - its read-only data is compared, with the addresses that the loader has filled in;
//   - each function that it replaces is followed: by livepatch's list in memory and the call
//     of the function tracer at its start, or by the jump, to the new function, which has to be
//     one of the file;
//   - constants that it overwrites are compared with what the file has.
//
// What can't be told is said: kprobes, whose handlers lead on; variables that it has set, which
// the kernel may have changed since; the code of a livepatch whose file is not given; and code that
// refers to a module that the update changes, whose addresses the update fills in by itself.
package verify
