// Package extraction makes the object that an update carries: each atom that travels gets
// a place, what stays becomes an undefined symbol, and the tables about the code and its
// unwinding rows are written anew.
package extraction
