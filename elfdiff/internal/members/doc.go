// Package members finds members of variables by debug information, and those whose
// initial values differ.
package members
