// Package object reads a relocatable object and cuts it into atoms: functions,
// variables, literals, records of tables. An atom is what is compared and carried as a
// whole; the references between atoms say what the linker will make of them.
//
//	Object   the file, its symbols, its atoms; immutable
//	Atom     one piece: kind, bytes, symbols, references
//	Ref      one reference: a relocation, or a branch that the assembler resolved
//
// Sections are cut at their symbols, literals at what refers to them (gABI "Object
// Files"; merging of strings and constants: SHF_MERGE). [Memo] keeps what an analysis
// learns of an object.
//
// Package elfdiff opens objects for comparing them, see elfdiff.Open.
package object
