// Package types has the forms in which a comparison says what changed in the meaning
// of data: layouts of structures, values of constants, signatures of functions. They
// come from debug information (DWARF 5, chapter 5), see elfdiff.Diff.Types.
package types
