// Package dwarf reads the debug information of relocatable objects: lines,
// inlined calls, variables and types.
//
// The format is DWARF 4 and 5 as gcc and clang write it for x86-64: 32-bit
// DWARF in .debug_info, .debug_abbrev, .debug_line, .debug_str and their
// companions. Section numbers in comments are those of DWARF 5.
//
// Goals:
//
//   - Addresses in an object are places in sections. Relocations are applied to
//     the fields that are read, when they are read; no section is copied.
//   - Nothing is read before it is needed. [New] looks at section names only.
//     The line table, the list of functions and the entries of one function are
//     read by the first question about them.
//   - Time and memory are linear in the size of the sections.
//
// Of linked files, which can be large, units are read one at a time ([NewLinked]).
//
// Non-goals: location lists, call frames, macros, split and
// 64-bit DWARF, type units.
//
// Input may be hostile: everything is bounded by its size, and errors are typed.
package dwarf
