// Package debug has what debug information says of an object's code: lines, and which
// functions are inlined where.
package debug
