// Package insn reads the instructions of an atom, and shows them with their references
// by name.
package insn
