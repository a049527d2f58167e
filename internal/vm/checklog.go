package vm

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/gosplice/gosplice/internal/vm/wire"
)

// Policy tells what is expected of the kernel's condition. The zero value
// expects a kernel in perfect health.
type Policy struct {
	// Taint holds the letters that may appear among the kernel's taints: "K"
	// once there was a livepatch, "E" for modules without a valid signature, "O"
	// for modules from outside the kernel's tree.
	Taint string
	// Allow holds regular expressions. A line of the log that one of them
	// matches is no finding, nor is the trace that belongs to it.
	Allow []string
}

// rule is something in the log that a healthy kernel does not say.
type rule struct {
	name    string
	pattern string // a regular expression for one line
}

// rules are tried in order; the first that matches names the finding.
var rules = []rule{
	{"panic", `^Kernel panic - not syncing`},
	{"WARN", `^WARNING: (CPU: \d+ PID: \d+|at |.*:\d+ )`},
	{"lockdep", `^WARNING: (possible|inconsistent|bad|Nested|suspicious|held|lock held|circular|.*(deadlock|locking|lock order|lock state|RCU usage))`},
	{"lockdep", `possible (circular|recursive) locking|suspicious RCU usage|INFO: (lockdep|inconsistent lock|trying to register non-static key)|(hard|soft)irq-(un)?safe`},
	{"soft lockup", `soft lockup - CPU|watchdog: BUG: soft lockup`},
	{"hard lockup", `hard LOCKUP on cpu`},
	{"BUG", `^BUG[: ]|kernel BUG at |BUG: (sleeping|scheduling|using|Bad|KASAN|KFENCE|KCSAN|workqueue|spinlock|rwlock|unable)`},
	{"unable to handle", `[Uu]nable to handle`},
	{"general protection", `general protection fault`},
	{"fault", `^(invalid opcode|divide error|int3|stack segment|segment not present|invalid TSS|alignment check|coprocessor segment|double fault|#DF|control protection|#CP|unexpected #|PANIC: )`},
	{"fault", `Missing ENDBR|traps: PANIC|kernel tried to execute|kernel stack overflow|stack guard page`},
	{"oops", `\bOops(:| -)|Fixing recursive fault|Attempted to kill`},
	{"RCU stall", `rcu.*(self-)?detected (expedited )?stalls?|rcu.*kthread (starved|timer wakeup)|RCU grace-period kthread stack dump`},
	{"hung task", `INFO: task .* blocked for more than`},
	{"sanitizer", `^(UBSAN|KASAN|KMSAN|KCSAN|KFENCE): `},
	{"corruption", `list_(add|del) corruption|refcount_t: |Poison overwritten|Redzone|Bad (page state|rss-counter)|corrupted (page|list)|usercopy: |Freeing in-use|double free`},
	{"kernel objects", `kobject_add_internal failed|sysfs: cannot create duplicate|tried to init an initialized object|proc_dir_entry .* already registered|kmem_cache_destroy|objects remaining`},
	{"ftrace", `ftrace_bug|\bftrace (faulted|failed)|\bftrace: (Failed|.*disabled)|Trampoline was|------------\[ ftrace bug \]`},
	{"livepatch", `livepatch: .*([Ff]ailed|[Ii]nvalid|not found|unresolvable|ambiguity|refusing|not marked|unable|cannot|unreliable)`},
	{"module loader", `(Invalid|Skipping invalid) relocation|existing value is nonzero|Unknown rela relocation|overflow in relocation|Unknown symbol|disagrees about version|no symbol version for|version magic|Invalid module|[Ii]nvalid (ELF|module)|exports duplicate symbol`},
	{"code patching", `^jump_label: |static_call: .*(fail|bad|unexpected)|^alternatives: .*(bad|fail|invalid)|text_poke|missing return thunk|Unpatched return thunk|callthunks: Invalid padding area for (0x|.*\[)|^(SMP )?alternatives: .*unsupported`},
	{"unwinder", `unwind stack type|\.orc_unwind|missing ORC`},
	{"warning", `^WARNING: `},
	{"kernel trace", `^(Call Trace:|CPU: \d+ (UID: \d+ )?PID: \d+ Comm: |NMI backtrace for cpu)`},
	{"lost records", `^\Q` + lostText + `\E$`},
	{"unreadable record", `^kernel log record`},
}

// usual is what a healthy kernel says of a module and of a livepatch. Its name may have the words of a
// rule in it, as fix_invalid_length has.
var usual = []string{
	`^livepatch: enabling patch '\w+'$`,
	`^livepatch: '\w+': (starting (un)?patching transition|(un)?patching complete)$`,
	`^livepatch: (applying|reverting) patch '\w+' (to loading|on unloading) module '\w+'$`,
	`^\w+: (loading out-of-tree module taints kernel\.|tainting kernel with TAINT_LIVEPATCH|module verification failed: signature and/or required key missing - tainting kernel)$`,
}

// endTrace ends the trace of a warning or an oops; it comes within traceLines.
const (
	endTrace   = "---[ end trace "
	traceLines = 150
)

// Finding is one line of the log that a healthy kernel does not write.
type Finding struct {
	Rule    string   // what kind of trouble
	Records []Record // the line, and the trace that belongs to it
}

// String returns the finding with its trace.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.Rule)
	for _, r := range f.Records {
		fmt.Fprintf(&b, "\n\t%v", r)
	}
	return b.String()
}

// CheckLog returns what in the log tells of trouble, in order. Lines that match
// one of the regular expressions in allow are left out; the error is about those
// expressions.
func CheckLog(log []Record, allow []string) ([]Finding, error) {
	allowed, err := compile(allow)
	if err != nil {
		return nil, err
	}
	healthy, err := compile(usual)
	if err != nil {
		return nil, err
	}
	var patterns []string
	for _, r := range rules {
		patterns = append(patterns, r.pattern)
	}
	bad, err := compile(patterns)
	if err != nil {
		return nil, err
	}
	var found []Finding
	last := 0 // where the trace before ends
	for i := 0; i < len(log); i++ {
		r := firstMatch(bad, log[i].Text)
		if r < 0 || firstMatch(healthy, log[i].Text) >= 0 {
			continue
		}
		end := endOfTrace(log, i)
		if firstMatch(allowed, log[i].Text) < 0 {
			found = append(found, Finding{Rule: rules[r].name, Records: log[startOfTrace(log, last, i):end:end]})
		}
		last = end
		i = end - 1
	}
	return found, nil
}

func compile(patterns []string) ([]*regexp.Regexp, error) {
	var list []*regexp.Regexp
	for _, p := range patterns {
		re, err := regexp.Compile("(?m)" + p)
		if err != nil {
			return nil, err
		}
		list = append(list, re)
	}
	return list, nil
}

func firstMatch(list []*regexp.Regexp, s string) int {
	for i, re := range list {
		if re.MatchString(s) {
			return i
		}
	}
	return -1
}

// startOfTrace returns the index of the first record of the trace to which record i belongs:
// what a warning has to say comes before the line that tells where it is from. No record
// before the one at from belongs to it.
func startOfTrace(log []Record, from, i int) int {
	const most = 8
	for j := i - 1; j >= max(from, i-most); j-- {
		if strings.Contains(log[j].Text, "[ cut here ]") {
			return j
		}
	}
	return i
}

// endOfTrace returns the index after the trace that record i begins, or after
// the record alone when it begins none.
func endOfTrace(log []Record, i int) int {
	for j := i + 1; j < min(len(log), i+traceLines); j++ {
		switch {
		case strings.Contains(log[j].Text, endTrace):
			return j + 1
		case strings.Contains(log[j].Text, "[ cut here ]"):
			return i + 1 // that is the next one's trace
		}
	}
	return i + 1
}

// taintLetters has the letter of each bit of /proc/sys/kernel/tainted:
// Documentation/admin-guide/tainted-kernels.rst.
const taintLetters = "PFSRMBUDAWCIOELKXTNJ"

// taintString returns the letters of the bits that are set; a bit without a
// letter is a '?'.
func taintString(bits uint64) string {
	var b strings.Builder
	for i := range 64 {
		switch {
		case bits>>i&1 == 0:
		case i < len(taintLetters):
			b.WriteByte(taintLetters[i])
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// LogError tells that the kernel is not as healthy as a [Policy] expects.
type LogError struct {
	Findings []Finding
	Taint    string // unexpected letters, "" when there are none
}

// Error has every finding with its trace.
func (e *LogError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d findings in the kernel log", len(e.Findings))
	if e.Taint != "" {
		fmt.Fprintf(&b, ", unexpected taint %s", e.Taint)
	}
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n%v", f)
	}
	return b.String()
}

// Log returns the kernel log from boot up to now.
func (m *Machine) Log(ctx context.Context) ([]Record, error) {
	_, err := m.sync(ctx)
	return m.since(0), err
}

// Check looks at everything that the kernel has logged up to now, but for what
// an earlier Check has seen, and at its taint. The error is a [LogError] when
// there is something that the policy does not allow.
func (m *Machine) Check(ctx context.Context, p Policy) error {
	taint, err := m.sync(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	news := m.log[m.checked:len(m.log):len(m.log)]
	m.checked = len(m.log)
	m.mu.Unlock()
	e := LogError{Taint: strings.Map(func(r rune) rune {
		if strings.ContainsRune(p.Taint, r) {
			return -1
		}
		return r
	}, taintString(taint))}
	if e.Findings, err = CheckLog(news, p.Allow); err != nil {
		return err
	}
	if len(e.Findings) > 0 || e.Taint != "" {
		return &e
	}
	return nil
}

// sync has the guest send what is left of its log, and returns the taint.
func (m *Machine) sync(ctx context.Context) (taint uint64, err error) {
	m.mu.Lock()
	last := m.last
	m.mu.Unlock()
	if last != nil {
		return *last, nil
	}
	f, err := m.do(ctx, "read", "the kernel log", wire.Sync)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(f[0]), &taint)
	return taint, err
}
