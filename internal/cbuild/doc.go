// Package cbuild follows how programs and libraries are built: by whatever command, it
// records each call of a compiler, an archiver and a linker, and makes single objects again, as
// they were and with other source.
//
// The steps:
//
//	wrappers first in PATH write down each call     (Record)
//	calls become compiles, archives and links       (Command.Action)
//	which make a graph: object -> archive -> file    (Build)
//	the compiler says what each object is made of    (dependencies)
//	chosen objects are compiled once more            (Scratch)
//
// The source is never written to. A copy of it is built at its own path: in a mount
// namespace, where the copy stands in the place of the source. So what a compiler writes of paths
// into its output is the same each time.
package cbuild
