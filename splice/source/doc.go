// Package source turns patches of a kernel's source into an update of the kernel that
// runs: the source, its configuration and a patch, and nothing else.
//
//	b, err := source.Open(ctx, kernel, source.Options{Module: module.Options{Name: "fix"}})
//	defer b.Close()
//	plan, err := b.Plan(ctx, patches...)    // what is affected: files, objects, targets
//	result, err := b.Build(ctx, plan)       // compiled, compared, matched, linked
//	if result.Update != nil {
//		result.Update.WriteTo(file)
//	}
//
// What it does:
//
//   - The patches are applied to the source in memory, as strictly as git does (package
//     patch). Nobody's tree is written to.
//   - What they affect is found as the kernel's own build would: objects whose source,
//     header, command or place in a Makefile changed. Each object belongs to the kernel
//     itself or to a module.
//   - These objects alone are compiled, without the patches (pre) and with them (post),
//     by the compiler that the kernel was built with, at the same paths. They are kept by
//     content: what was compiled once is not compiled again.
//   - Pre and post are compared (package elfdiff), pre is matched with the kernel or the
//     module (package reloc), and one module is made of all of it (package module).
//
// With [Kernel].OutOfTree, patches are of modules whose source is elsewhere, such as those of
// DKMS: the folder is read once, and how its objects are made is asked of the kernel's build
// (make M=DIR).
//
// What can't be done is in [Result].Refusals, each with a code, a place and a hint. An error
// is for what went wrong on the way: no compiler, no source, a full disk.
//
// # One update for each patch, or one of all
//
// [Builder.Each] makes an update of each patch, and goes on after those that can't be
// carried. [Builder.Cumulative] makes one update of all that can be carried safely
// together: a patch that can't is left out, with those that stand on it, and
// [Result].Patches says which are in, which are not, and why.
package source
