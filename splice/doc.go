// Package splice turns a diff and a match into a running fix: it plans the
// jumps that redirect old functions to new ones, collects everything in an
// [Update], and links the update at the addresses where a target wants it.
//
// # Layers
//
//	Plan     one redirection: which bytes, where, and why not
//	Build    diffs and matches -> Update
//	Update   inert, deterministic, serialisable; says what is replaced, what
//	         was verified, and what stood there before
//	Link     an Update at addresses: bytes that can be put in memory
//
// A target takes an update and applies it. The live process is package
// splice/process; kernel modules are another target for the same Update. A
// target verifies again, at the last moment, what Build verified: an update
// says which bytes it expects, not which it hopes for.
//
// # Bounds
//
// To read, check and link an update takes at most 64 MB and eight times the size
// of its JSON, in time that grows with it. [ReadUpdate] refuses what would take
// more: objects whose headers speak of bytes that they do not have, parts that
// have no content, more than [MaxUpdate] bytes. Sections with a content take at most
// four times the bytes of the file, and 1 MiB, in memory; see [Linker.Size] for what
// the target needs.
//
// # What shares an address
//
// A redirection is of an address: of all functions that a linker put there (identical
// code folding), and of all names that lead there (aliases, and weak functions that
// another definition replaced). [Build] refuses it where post wants one of them
// otherwise ([CodeSharedAddress]): by the matches of all parts, and by the symbols of
// run. In a program that was stripped, functions of objects that are not part of the
// update are not seen.
//
// Objects that stay have the alignment of pre. What new code assumes beyond it is
// checked at the address that run has ([CodeAlignment]), but not what it assumes of
// another object's data through a register.
//
// # Trust
//
// An update is code: whoever makes one decides what the target runs. Building
// reads objects and images that may be damaged or hostile, and fails with an
// error; applying an update from someone you would not let run code in the
// target is never safe.
package splice
