// Package ehframe unwinds x86-64 stacks by the call frame information in
// .eh_frame, and takes such sections apart.
//
// The format is that of DWARF 5, section 6.4, with the differences of the Linux
// Standard Base Core 5.0, sections 10.5 and 10.6, and the register numbers of
// the x86-64 psABI, figure 3.36.
//
// Goals:
//
//   - A frame is unwound exactly or not at all. There is no guessing by frame
//     pointers and no scanning: who redirects functions must know that none of
//     them is on a stack, not believe it.
//   - Nothing is read before it is needed. A [Table] over a large library
//     costs nothing until the first lookup, which is a binary search in
//     .eh_frame_hdr where there is one.
//   - Sections of relocatable objects can be walked record by record
//     ([Records]), although their addresses are relocations to come.
//
// Non-goals: other architectures, .debug_frame, language-specific data.
//
// Input may be hostile: everything is bounded by its size, and errors are typed.
package ehframe
