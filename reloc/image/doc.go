// Package image is run: bytes at run addresses, with whatever symbols there are.
//
//	of a file          [Open], [OpenELF], [OpenKernel], [OpenModule]
//	of what runs       [OpenProcess], [OpenRunning], and package gdb
//	of other memory    [OpenDump], [NewRunning], [NewImage], [KernelSymbols.NewImage]
//
// Who has a way of their own to read memory implements [Memory]: for a core dump or an
// agent elsewhere. [ReadModule] describes the programs and libraries in it, with what the
// dynamic linker did, so that it is as good as a process; [ReadKernelSymbols] does for the
// memory of a kernel.
//
// # What an image of a kernel has
//
// The kernel is the module "vmlinux"; loaded modules follow it. Per-CPU variables
// have their offset in each processor's area for an address, and that area as a
// region which can't be read. [Module].Bias is the distance of KASLR.
//
//	source            bytes                  symbols
//	vmlinux           as linked              .symtab, else kallsyms tables
//	vmlinuz           as linked              kallsyms tables
//	.ko               as the loader links    .symtab, and one for each undefined one
//	/proc/kcore       live                   /proc/kallsyms
//	gdb port          live, standing still   a file's, moved by what KASLR did
//	dump              of its moment          a file's, or the tables in it
//
// Symbols of kallsyms are sized by the distance to the next one. A file is read as
// it is needed, but for a vmlinuz, which is unpacked into memory.
package image
