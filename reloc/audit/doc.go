// Package audit compares a running kernel with its file, byte by byte, with each place that
// the kernel rewrites: it needs no objects. What somebody has put into the code is told, and
// what nothing explains is a finding.
//
// Package reloc finds objects in a kernel, and reads the same places by what is known of them
// (reloc/internal/rewrite); here the file itself says what was linked, and the kernel's
// variables what stands there now.
package audit
