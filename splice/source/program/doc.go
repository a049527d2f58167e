// Package program turns patches of a program's source into updates of the builds of it that are
// installed: programs and shared libraries, stripped or not.
//
//	b, err := program.Open(ctx, program.Source{Dir: "redis-7.0.15", Build: "make"}, program.Options{Name: "fix"})
//	defer b.Close()
//	result, err := b.Build(ctx, patches...)
//	for _, p := range result.Programs {
//		if p.Update != nil {
//			p.Update.WriteTo(file) // for "hotpatch apply", or package splice/process/machine
//		}
//	}
//
// [Debian] has the source of a package, its command, and the files that are installed of it;
// [Builder.To] makes updates to another version of the source.
//
// What it does:
//
//   - The source is built once, by its own command, in a copy that stands at the path of the
//     source, with each call of a compiler, an archiver and a linker recorded. That is kept by the content of the
//     source, the command and the compilers, for all patches to come.
//   - The patches are applied in memory (package patch). Objects that are made of a file that
//     they change are compiled again, without the patches (pre) and with them (post), by the calls
//     that made them. Where a patch changes how the source is built, or what makes other
//     source, all is built a second time, with the patches.
//   - Which programs and libraries these objects are linked into is known from the calls.
//     Each of these is looked for among the installed files: by its build-id, its code, or its name.
//   - Pre and post are compared (package elfdiff), and pre is matched with the installed file
//     (package reloc), which proves that it is the code that was compiled. Of each file, one
//     update is made (package splice), for its build-id.
//
// What can't be done is a refusal in the result. What can be known before a long build is
// said by Open, as an error that has the refusals.
//
// # Limits
//
// A file of the source that is read by a script which makes source of it, and is also part of
// an object, is taken for the latter alone: Options.Rebuild has all built again. The same holds for programs that
// are run by the build. A build that calls compilers by absolute paths is not seen.
// Link time optimization can't be followed. Linux only.
package program
