// Package behaviour has patches with behaviour that a program sees, and shows that an
// update has it: before it is there, while it is, and when it is gone.
//
// A folder is a case:
//
//	fix.patch         the patch
//	case              what is special about it, as "key: value" lines; see [Case]
//	probe             what a program does, a line each; package probe has the words
//	expect.before     what must be in what the probe prints without the patch, a line each;
//	                  a line that begins with "! " must not be in it
//	expect.patched    the same with the patch
//	expect.reverted   the same after it; expect.before where there is none
//	expect.refused    instead of all expectations: CODE [SYMBOL], a line each, of which
//	                  every one is among the refusals
package behaviour
