// Package elfdiff finds what really differs between two relocatable objects that
// one compiler made from the source without a patch (pre) and with it (post), says
// why, and extracts an object with just what has to travel.
//
//	pre, err := elfdiff.Open("pre.o")
//	post, err := elfdiff.Open("post.o")
//	d, err := elfdiff.Compare(pre, post, elfdiff.Options{})
//	x, err := elfdiff.Extract(d)
//
// # Layers
//
//	Object     a file cut into atoms: functions, variables, literals, table entries
//	twins      which atom of post is which of pre: a ladder of rules, see [Rule]
//	Diff       a verdict with reasons for each function and data object
//	Finding    what a person should know, judge, or can't have: see [Severity]
//	Extracted  the changed functions, and what they need that pre does not have
//
// [Diff.Explain] and [Diff.Types] answer what the verdicts mean: whose inlined code
// it was, and which types have another layout now. Package listing shows both sides.
//
// # What is compared
//
// Instructions one by one where bytes differ, with references compared by what
// they mean: twins for what has an identity, content for literals. A difference
// that the compiler was free to make is none. That a number is a line has to be
// proven by the debug information of both objects. When in doubt a function counts
// as changed; what can't be carried for certain is refused, with a stable [Code],
// the place, and what to do about it.
//
// # Identity
//
// A constant whose address is stored, returned, compared, passed on, or read from where
// that happens has one identity: a copy of it would be another one. This is found by
// following addresses through the code of all functions of both objects, which takes
// what it can't follow for the worst; see the code const-shared, and [Options].InPlace.
// Of anything else a copy is as good. For a kernel, the same is asked of all that is new:
// see [Diff.Kept].
//
// Static variables whose names are numbers are paired by debug information, by the
// functions that use them, and by what these do with them; the number decides nothing.
// What is paired by use alone has to be borne out by code that is the same, else it is
// [CodeAmbiguousStatic]. Common symbols are variables.
//
// # Cost
//
// Time and memory grow with the size of the objects, whatever the number of
// sections and symbols. What an object holds in memory is about three times what
// it has beside debug information. That is read when a question needs it: a number
// that may be a line, an explanation, a type. Byte-equal functions are not decoded.
// Benchmarks that skip without the objects of real patches (examples/corpus builds
// them) say what a pair takes, and what a hundred thousand sections do:
//
//	go test -run '^$' -bench 'Pair|Corpus|Linked' ./elfdiff
//
// # Security
//
// Objects may be hostile: the outcome is an error or a verdict, without a panic,
// in at most 64 MB and eight times the size of both objects. Compressed debug
// information that would grow beyond 8 MiB and twice the size of its file counts
// as missing, see [CodeNoDebug]. Listings have at most 16,384 lines of each side, see
// package listing, and names in the text of an instruction are cut at 256 bytes, so
// that text grows with the input too. Nothing here says who made an object: an update
// does what post says.
package elfdiff
