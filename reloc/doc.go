// Package reloc matches pre against run: it finds the code of a relocatable
// object in the bytes that really execute, proves that it is the same code,
// and reads off the run address of every symbol that the code mentions.
//
// The idea is Ksplice's run-pre matching. A relocatable object has holes where
// the linker and the loader put addresses; in run these are filled in. Where
// all bytes around the holes are equal, each hole can be solved like an
// equation for the value of the symbol that it names, exported or not, in a
// symbol table or not. All equations have to agree.
//
// # Layers
//
//	audit            a running kernel against its file, without objects
//	reloc            where the functions of pre are, and the values of its symbols
//	internal/prove   compares one atom at one address, and decides nothing
//	image            run: files, kernels, processes, dumps, debugger ports
//
// A solver holds a comparer. It has candidates for each function (search.go, lookup.go,
// hints.go), compares them (attempts.go), takes those that have one place left in rounds in
// which all are judged by the same values (propagate.go, elect.go), and makes the result of
// what is decided (report.go). Objects of a set tell each other what they found (set.go).
//
// # What is compared
//
// The bytes of every function but for its holes, and what the holes refer to:
// strings and constants by content, tables of constants with the references in
// them, jump tables by the places that they lead to, everything else by
// agreement and by the kind of memory it lies in. Writable data only has
// addresses: its content belongs to the program. What the kernel's tables say about
// a function (bugs, and what faults do) has to be the same but for lines;
// those of its modules are not looked at. What may differ without being
// a mismatch is a table of rows with a reason each (internal/prove/rules.go): padding, the
// width of jumps, and instructions that linkers rewrite.
//
// # What a kernel rewrites
//
// A kernel rewrites its code when it starts, and when something is switched on or
// off. Tables of the object say where; what may stand there is a table with a row
// for each kind (internal/prove/sites_table.go): calls of tracers, endbr64, kCFI, call depth,
// paravirt, retpolines, returns, alternatives, lock prefixes,
// jump labels, static calls, runtime constants. Where objtool did not see the
// object, as with IBT, branches to thunks stand for its tables. Such a place says
// what a symbol is only where it holds what pre has there.
//
// What someone else put there is reported beside a match ([FuncResult.Patches]):
// tracers, probes, livepatches. Of a function that is replaced,
// [FuncResult.Redirect] says where the code is that is live, and whether that is
// the code of pre. Package audit compares all of a running kernel with its file,
// with each place that it rewrote (audit/sites.go).
//
// # How a place is decided
//
// Candidates come from symbols, from references of functions already matched,
// and from a search of the executable bytes, by samples of a file's text or by a
// pass over it. Only bytes and references decide; weaker hints (the scope of a source
// file, the layout of a section, in kernels the order of the functions of a file)
// are used last, and only between places that match to the byte. A static function
// counts under its own file's name only, and where nothing but its bytes or a name
// that others have too speaks for a place, it has to be next to its neighbours in
// pre. [FuncResult.By] says what decided. What nothing decides is reported as
// [Ambiguous].
//
// Objects that are linked together decide more as a set than one by one
// ([MatchAll]): by what the others say of global symbols, and by the memory that
// they leave. Of a whole kernel that tells all functions, without any symbol of run.
//
// # Security
//
// Objects and images may be hostile: the outcome is an error or a verdict,
// without a panic, in at most 64 MB and eight times the size of the input. Names
// share the memory of their table; where names overlap and have more than 4,096
// bytes each on average, the file is an error. A match
// proves that bytes are equal; it does not prove where they came from.
package reloc
