// Package elfobj reads and writes ELF64 files for x86-64, and keeps what
// debug/elf drops: the null symbol, section indices beyond 65,279, section
// groups, processor specific section indices, the order of relocations.
//
// The format is that of the System V gABI, chapters "Object Files" and
// "Program Loading", with the additions of the x86-64 psABI and of GNU.
//
// # Layers
//
//	File      what a file says, immutable; [Parse], [NewFile], [Open]
//	Spec      an editable relocatable object; [File.Spec], [Spec.WriteTo]
//	Builder   composes a Spec from nothing, and sorts its symbols
//
// # What is checked, and when
//
// Opening a file checks the header, the tables of section and program headers
// and the section names, because nothing makes sense without these. All else
// is checked where it is used: a damaged debug section does not stand in the
// way of .text. On the other hand, half an answer is never given: one bad
// symbol fails [File.Symbols] as a whole.
//
// Input may be hostile. Every count is compared with the size of the file
// before anything is allocated for it, sections whose bytes overlap are not
// read (so that all sections together are no larger than the file), and the
// time needed grows with the size of the file, not with its square. Compressed
// sections yield at most 8 MiB and twice the size of the file. Errors in
// a file are of type [*FormatError].
package elfobj
