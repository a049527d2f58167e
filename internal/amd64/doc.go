// Package amd64 knows the two encodings that everything else stands on: x86-64
// instructions and x86-64 relocations.
//
// # Instructions
//
// [Decode] answers what a comparer of machine code asks: how long is the
// instruction, what does it do to control flow, and which of its bytes depend
// on where it stands. It does so from opcode maps laid out as in the Intel SDM,
// volume 2, appendix A, and AMD's manual for XOP and FMA4. It knows the legacy
// maps, VEX, EVEX and XOP; what is not in the maps is an [UnknownError] and
// never a guessed length. Only 64-bit mode exists here.
//
// golang.org/x/arch/x86/x86asm is used for text alone ([Disasm]), and only when
// it agrees on the length: it reports a lone prefix as an instruction when it
// doesn't know what follows (ENDBR64 becomes "rep", one byte), and it doesn't
// know a good part of what kernels execute.
//
// The maps are tested against GNU objdump 2.40 twice: over the opcode space,
// and over all instructions of whole kernels and libraries.
//
// # Relocations
//
// [Howto] is BFD's word for the recipe of a relocation type: how wide the field
// is, what is computed, and when that overflows. A recipe can be read in both
// directions: [Howto.Apply] computes the field from S, A and P, and
// [Howto.Solve] turns it around and yields S from a field that a linker or a
// loader has filled in. The second is what makes it possible to learn the
// address of a symbol from running code.
//
// All tables of the package are immutable, and every function is safe for
// concurrent use.
package amd64
