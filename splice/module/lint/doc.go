// Package lint looks for what is wrong with the file of a livepatch module before it is loaded:
// one of package module, or one that others made (kpatch, klp-build, the kernel's own build).
//
//	k, err := lint.OpenKernel(ctx, "vmlinux")     // of a kernel that need not run
//	report, err := lint.Check(ctx, file, k)
//	err = report.Text(os.Stdout)
//
// # Why
//
// The loader of modules trusts a file. It writes a relocation where the file says, also outside of
// the section; it follows tables into code without a look at what stands there; livepatch calls
// what a klp_func leads to. A file that is damaged, or was made for another build, is found when
// the kernel goes down, or later.
//
// # What is looked at
//
//	the file           sections, symbols, and whether a module of package module is what that wrote
//	relocations        the types that the loader applies, in their section, one for a field, over
//	                   zeros; in code, the field of an instruction; leading to a function, an
//	                   instruction, or into a section
//	code               branches lead to starts of instructions
//	tables             whole entries, about places of this module where such a thing stands
//	what the kernel    vermagic, .modinfo, versions of symbols, struct module with its init and exit
//	reads
//	livepatch          klp_patch, its objects and functions; .klp.rela sections and .klp.sym symbols
//
// With a kernel: whether it exports what is undefined, with these CRCs; whether the functions that
// are replaced, and the symbols of livepatch, are there at that position, alone where none is given;
// whether they can be traced; whether the structures have the kernel's sizes.
//
// # What it can prove
//
// Modules of package module carry the digest of all that they are (their build-id): no change of
// one bit passes, see [Sealed]. Modules of others have nothing of the kind. In them an
// instruction that became another one, or a number, is not found, unless something does not fit any more.
//
// A file may be hostile: nothing of it is believed, and what is allocated is bounded by its size.
package lint
