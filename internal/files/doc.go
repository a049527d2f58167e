// Package files opens input and writes output.
//
// Input is a regular file: a pipe or a device would keep the reader waiting, and
// has no size. Output is there as a whole, on the disk, or not at all, and never in
// the place of input.
package files
