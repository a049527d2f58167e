// Package hazard finds what compares well, travels well, and does harm once it runs: state that
// goes on under another name, variables that code of the start would have set up, functions
// that need more of the stack than there may be, and locks, references, counts and memory that one function takes
// and another gives back. It reports nothing; package elfdiff does.
package hazard
