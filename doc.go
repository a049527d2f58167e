// Package gosplice turns a source fix into a running fix without a restart.
//
// It holds no code: the work is done by three packages, each of which is of
// use on its own.
//
//	pre.o, post.o ──> elfdiff ──> reloc ──> splice ──> a running fix
//	                              ^
//	                     run: the bytes that execute
//
// What each does:
//
//   - elfdiff compares two relocatable objects that one compiler made from
//     the source without the patch (pre) and with it (post), and keeps only
//     what really changed.
//   - reloc matches pre against run, the bytes that actually execute. That
//     proves that the code in memory is the code that was compiled, and it
//     yields the run address of every symbol that the code mentions, exported
//     or not.
//   - splice links the changed functions to these addresses, and redirects
//     the old functions to them by jumps, after checks that make it safe. It
//     can undo what it did. Its targets are splice/process, a live process,
//     and splice/module, a livepatch module for the running kernel.
//
// # Words
//
// The words are those of Ksplice. kpatch and objtool call pre and post "orig"
// and "patched", and a pair of corresponding symbols "twins".
//
//	pre, post   the object without the patch, and with it
//	run         the code and data in memory
//	correlate   pair the symbols of pre with those of post
//	compare     decide for each pair whether it really changed
//	hole        bytes that a relocation owns; their content is not compared
//	            but solved
//	S, A, P     symbol value, addend and place, as in the x86-64 psABI,
//	            section 4.4.1
//	solve       turn a relocation around: the field, A and P give S
//	redirect    old function -> new function
//	trampoline  the bytes that do it
//	update      everything needed to apply and revert, inert until a target
//	            takes it
//	finding     something a person should know or judge
//	refusal     something that can't be decided or carried safely; it has a
//	            stable code, a place, and a hint
package gosplice
