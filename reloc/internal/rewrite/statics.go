package rewrite

import "slices"

// staticInsns are the functions whose static calls become an instruction of five bytes
// (arch/x86/kernel/static_call.c of Linux 6.1 for the first, of 7.3 for the others).
var staticInsns = map[string][]string{
	// cs cs cs xor %eax,%eax; before, data16 data16 xor %rax,%rax
	"__static_call_return0": {"\x2e\x2e\x2e\x31\xc0", "\x66\x66\x48\x31\xc0"},
	// ud1 (%edx),%rdi
	"__WARN_trap": {"\x67\x48\x0f\xb9\x3a"},
	// ds ds movb $0,(%rdi)
	"__raw_callee_save___native_queued_spin_unlock": {"\x3e\x3e\xc6\x07\x00"},
}

// IsStaticInsn reports whether code is what takes the place of the static call of a function;
// "" is any of them.
func IsStaticInsn(name string, b []byte) bool {
	for of, forms := range staticInsns {
		if (name == "" || name == of) && slices.Contains(forms, string(b)) {
			return true
		}
	}
	return false
}

// StaticInsns yields the names of these functions.
func StaticInsns(yield func(name string) bool) {
	for name := range staticInsns {
		if !yield(name) {
			return
		}
	}
}
