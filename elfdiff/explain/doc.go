// Package explain says what in the source is behind a change of a function's code:
// inlined code, decisions of the compiler to inline, variants that it makes, and
// members of structures that moved. It goes by debug information (DWARF 5, section
// 3.3.8) and names. See elfdiff.Diff.Explain, which asks it.
package explain
