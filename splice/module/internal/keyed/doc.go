// Package keyed has static branches ask for their keys.
//
// A static branch is a nop or a jump that the kernel rewrites when the key is switched
// (kernel/jump_label.c). It knows the branches of a module by a table, whose keys it follows while
// the module is loaded. New code of a module that is not there yet can't have such entries: its key
// has no address then. So two instructions take the place of the branch, which read the key
// whenever they are passed:
//
//	cmpl $0, key(%rip)       key->enabled, the first member of struct static_key
//	jne  target              je where the entry says that the branch is taken while the key is off
//
// This is what the kernel does by itself, since a key is on when its count is not 0 (-1 while it is
// being switched on, static_key_count), and flags are nobody's at a static branch: an asm statement
// of gcc and clang on x86 always changes them.
//
// They are longer than the branch. So the code behind them moves, branches across them become longer
// where they have to, and all that refers to a place in the code is led to where it is now: tables
// of places, rows of unwinding, symbols. What can't be is an error, and nothing has changed then.
package keyed
