// Package report shows what became of patches of a kernel's source (package source): as text
// for people ([Text]), as JSON for pipelines ([Document]), and as a page that needs no other
// file ([HTML]). A [Table] does it for many, which may have been made on many machines:
// [Collect] reads their reports from a folder.
//
// Texts of patches and names of objects may be hostile. What a terminal would obey is made
// visible in text, markup is escaped in pages, and a page may fetch and run nothing but what
// it has (Content Security Policy Level 3). The sizes of pages are bounded; what is left out
// is said.
//
// The same result gives the same bytes. What another run, or another machine, has otherwise
// (times, what was kept, the commands) is gone from a document that is [Document.Timeless].
//
// # JSON
//
// Every document has "schema", the version of its form: [Schema]. It becomes another one when
// a key goes or means something else; keys may be added to a version. Enumerations are words,
// lists are never null, durations are nanoseconds. [Document] and [Table] are the types to
// read documents with.
package report

// Schema is the version of the JSON of a [Document], and of a [Table].
const Schema = 1
