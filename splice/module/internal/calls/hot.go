package calls

import "fmt"

// manySites is how many places that call a function make it one that is called often.
const manySites = 16

// hotNames are functions in assembly that much else stands on, whoever calls them
// (arch/x86/lib).
var hotNames = []string{
	"copy_page", "copy_page_regs", "clear_page_orig", "clear_page_rep", "clear_page_erms", "memcpy", "__memcpy", "memcpy_orig",
	"memmove", "__memmove", "memset", "__memset", "memset_orig", "csum_partial", "csum_partial_copy_generic", "copy_user_generic_unrolled",
	"copy_user_generic_string", "copy_user_enhanced_fast_string", "rep_movs_alternative", "rep_stos_alternative", "clear_user_original",
	"clear_user_rep_good", "clear_user_erms", "copy_mc_fragile", "copy_mc_enhanced_fast_string", "native_load_gs_index",
}

// Hot says why a kprobe on a function costs much, if it does.
func (c *Info) Hot(fn int) string {
	n := len(c.graph.Callers(fn))
	switch {
	case c.oneOf(hotNames)(fn):
		return fmt.Sprintf("it is assembly that is called all the time; a kprobe would take it over, %d places call it", n)
	case n >= manySites:
		return fmt.Sprintf("a kprobe would take it over, and %d places call it", n)
	}
	return ""
}
