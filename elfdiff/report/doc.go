// Package report shows what [elfdiff.Compare] found: as text for people, side by side
// in a terminal ([Text]), as JSON for pipelines ([JSON]), and as a page for reviewers
// that needs no other file ([HTML]). [CompareFolders] does it for all objects of two
// folders.
//
// Names and strings of objects may be hostile. What a terminal would obey is made
// visible in text, markup is escaped in pages, and a page may fetch and run nothing
// but what it has (Content Security Policy Level 3). The sizes of pages and listings
// are bounded; what is left out is said. The same objects and sources give the same
// bytes.
//
// # JSON
//
// Every document has "schema", the version of its form: [Schema]. It becomes another
// one when a key goes or means something else; keys may be added to a version.
// Enumerations are words, lists are never null, offsets are numbers of bytes from the
// start of the function, object or section. [Diff] and [Folders] are the types to
// read documents with.
package report

// Schema is the version of the JSON of a [Diff], and of [Folders].
const Schema = 1
