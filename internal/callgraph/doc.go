// Package callgraph says who calls whom in linked machine code, and which functions
// never return. It decodes each instruction once, and keeps the branches only: 24
// bytes for each of them, so that memory is linear in the code, and time too.
//
//	New        decodes
//	Returns    a return, or a jump to a function that returns, can be reached
//	Loops      the cycles of a function, and what is called in them
//	Reach      what some functions call, directly or not, with the way there
//	Reaching   what calls some functions, directly or not
//
// Calls through pointers are not followed, but for those that [Options].Args lists:
// the functions and structures that are handed over to a function, as constants.
//
// A part that the compiler has moved away (name.cold) counts as part of the function
// that jumps to it. Execution goes on behind a trap (ud2), as in WARN(), but for those of
// [Options].Stops.
package callgraph
