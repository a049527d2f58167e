// Package rewrite knows what a kernel writes into its own code, when it starts and when
// something is switched on or off, as bytes: nops, thunks, jump labels, static calls. It knows
// no image, no object and no symbols. Matching and the audit both read code by it: what one
// takes for legal the other does.
package rewrite
