package kerneltab

// Symbols that the linker script of the kernel defines (arch/x86/kernel/vmlinux.lds.S,
// include/asm-generic/vmlinux.lds.h): where the image and its parts begin and end.
const (
	ImageStart       = "_text"
	ImageEnd         = "_end"
	TextStart        = "_stext"
	TextEnd          = "_etext"
	DataStart        = "_sdata"
	RodataStart      = "__start_rodata"
	RodataEnd        = "__end_rodata"
	ROAfterInitStart = "__start_ro_after_init"
	ROAfterInitEnd   = "__end_ro_after_init"
	InitStart        = "__init_begin" // of what is freed once the kernel has started
	InitEnd          = "__init_end"
	PerCPUStart      = "__per_cpu_start"
	PerCPUEnd        = "__per_cpu_end"
	NotesStart       = "__start_notes"
	NotesEnd         = "__stop_notes"
	ScratchStart     = "__init_scratch_begin" // of room behind the image that only the start uses
	ScratchEnd       = "__init_scratch_end"
)

// GPL is what the names of the lists of exports that only modules with a compatible
// licence may use have behind those of the others: sections, and their bounds.
const GPL = "_gpl"
