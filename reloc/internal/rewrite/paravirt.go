package rewrite

import "strings"

// pvNatives are the functions of pv_ops that Linux until 5.16 puts in the place of their calls
// as instructions (arch/x86/kernel/paravirt_patch.c of Linux 5.10). What is left of the call is
// filled.
var pvNatives = map[string]string{
	"native_irq_disable": "\xfa",         // cli
	"native_irq_enable":  "\xfb",         // sti
	"native_save_fl":     "\x9c\x58",     // pushf; pop %rax
	"native_restore_fl":  "\x57\x9d",     // push %rdi; popf
	"native_read_cr2":    "\x0f\x20\xd0", // mov %cr2,%rax
	"__native_read_cr3":  "\x0f\x20\xd8", // mov %cr3,%rax
	"native_write_cr3":   "\x0f\x22\xdf", // mov %rdi,%cr3
	"native_wbinvd":      "\x0f\x09",     // wbinvd
	"_paravirt_ident_64": "\x48\x89\xf8", // mov %rdi,%rax
	"__raw_callee_save___native_queued_spin_unlock": "\xc6\x07\x00", // movb $0,(%rdi)
	"__raw_callee_save___native_vcpu_is_preempted":  "\x31\xc0",     // xor %eax,%eax
}

// IsPVSlotCall reports whether an instruction is a call through a slot of pv_ops by its
// address, as it was until Linux 5.17: ff 14 25 d32.
func IsPVSlotCall(linked []byte) bool { return Begins(linked, "\xff\x14\x25") && len(linked) >= 7 }

// IsPVNative reports whether code is what takes the place of the call of a function of pv_ops;
// "" is any of them.
func IsPVNative(name string, b []byte) bool {
	for of, text := range pvNatives {
		if (name == "" || name == of) && strings.HasPrefix(string(b), text) && IsFilling(b[len(text):], len(b)-len(text)) {
			return true
		}
	}
	return false
}

// PVNatives yields the names of these functions.
func PVNatives(yield func(name string) bool) {
	for name := range pvNatives {
		if !yield(name) {
			return
		}
	}
}
