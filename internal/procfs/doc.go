// Package procfs reads what /proc says about one process, and reads and
// writes its memory.
//
// It parses the files that a tracer needs before it touches anything: maps,
// status, stat, auxv, the list of threads, control groups and mounts; and it tells of programs that are
// executed, and holds them ([Gate]). The parsers take bytes, so that
// they run and are fuzzed on any system; only the functions that open files
// under /proc need Linux.
//
// Goals:
//
//   - A process is a pid and its start time ([ID]). A pid alone may name
//     another process by the time it is used.
//   - The file behind a mapping is the very inode that is mapped, or an error
//     ([OpenMapping]). A path is a hint: packages are replaced while processes
//     run.
//   - Memory is read and written whole or not at all as far as the caller can
//     see ([Mem]); an error names the address.
//
// It keeps no state and caches nothing.
package procfs
