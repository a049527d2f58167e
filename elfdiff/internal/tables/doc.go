// Package tables reads the tables that a kernel has about its code: entries by the
// functions that they are about, and unwinding rows.
package tables
