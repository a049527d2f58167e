// Package kerneltab is the one table of the sections that a Linux kernel, or a
// module of one, has beside plain code and data: tables about its code, records
// for tracing and debugging, lists that its start goes through, and sections that
// are code or data of a special kind.
//
// A row, [Section], says all that is known of a section: what an entry of it looks
// like in each generation of kernels, what the kernel writes where an entry points
// to, what a difference in it means, whether its entries travel, where a module
// has it, and who reads it there. Who needs to know asks [Of] for the row, and
// names a section by a constant of this package, never by a string of its own.
//
// To add a section, add its row to the list that it belongs to (rows_*.go). A
// generation of kernels with another layout is one more [Layout] in its row: what
// tells it from the others is a fact of the kernel or of the object at hand, such
// as the size of its entries, and never a version. Versions stand in comments and
// in fields that only people read.
//
// What any ELF file for x86-64 may have (.text, .eh_frame, .init_array and the like)
// is in rows_program.go, since one lookup serves both.
package kerneltab
