package object

import "strings"

// JumpTable holds the sites of static branches (include/linux/jump_label.h).
const JumpTable = "__jump_table"

// kernelSections begin the names of sections that only the build of a Linux
// kernel, or of a module for it, makes.
var kernelSections = []string{".orc_unwind", "__bug_table", JumpTable, ".static_call", ".altinstructions", ".return_sites", ".retpoline_sites", ".discard.", "__ksymtab", "___ksymtab", ".export_symbol", ".modinfo"}

// IsKernel reports whether the object is of a Linux kernel or a module for it, by
// the tables that it has: then [Options].Tables is right for it.
func (o *Object) IsKernel() bool {
	for _, s := range o.File.Sections {
		for _, prefix := range kernelSections {
			if strings.HasPrefix(s.Name, prefix) {
				return true
			}
		}
	}
	return false
}
