// Package bundle keeps the objects of an update for kernels of other builds: what was compiled and
// compared on one machine is matched and linked on another, where the kernel runs.
//
//	b, err := bundle.Read(r)                       // kept by source.Options.Bundle
//	k, err := module.OpenRunning(ctx, os.DirFS("/"))
//	pairs, err := b.Pairs(ctx, k, modules, nil)    // compared again, and matched with this kernel
//	m, err := module.BuildContext(ctx, k, b.Options(), pairs...)
//
// A bundle is inert: it has objects and what a comparison of them found, and neither addresses nor
// instructions for anybody. It is the way from a patch to a module, cut between comparing and
// matching. What is left, matching and linking, is what package module does anyway, with all
// refusals that it has. One bundle serves each build of a kernel that it fits.
//
// # What fits
//
// For the build that the objects were compiled for, matching is proof. For any other build it
// proves what the old code says: its bytes are those of the kernel that runs, so that whatever
// it takes from headers is the same there. The new code may take more: a member of a structure, a
// macro, an inline function that the old code does not use. Pairs holds all of it against the kernel:
//
//   - types of its variables, and what its expressions reach by members, against the BTF of the kernel
//     or of the module: each member that the source names, or all of it where its size may matter;
//   - enumerators, against BTF;
//   - functions of the kernel, by their prototypes in BTF; exported ones and variables also by their CRCs;
//   - functions and variables of the object itself, by matching;
//   - every other name by the functions of the object that use it too: one of them has to match.
//
// What is left is judged: other-source names the word of the source, other-layout the type. It is
// asked of all text of the source that the patch changes, and of functions whose code changed. A
// bundle that does not know its source has other-source for the object as a whole.
//
// # The file
//
// A line that says what it is, a version, the SHA-256 of the content, and the content, packed by zstd. The
// content is a line of JSON, and the objects behind it. It has one form: what is not in that form is
// refused. The ID of a bundle is the digest of the content.
package bundle
