package kerneltab

// Sections of a kernel that are code or data, and more than that.
const (
	PerCPU      = ".data..percpu"
	ROAfterInit = ".data..ro_after_init"
)

// intoText is where code goes that only the kernel's build, or a profiler, keeps apart.
var intoText = Module{To: Text, Flags: flagsAX}

var textSections = []Section{
	{Name: ".noinstr.text", Prefix: true, Source: listed, Traits: Unpatched | Unprobed, Module: Module{Memory: MemoryText}, Bounds: Bounds{"__noinstr_text_start", "__noinstr_text_end"}},
	{Name: ".entry.text", Source: listed, Traits: Unpatched | Unprobed, Bounds: Bounds{"__entry_text_start", "__entry_text_end"}},
	{Name: ".kprobes.text", Prefix: true, Source: listed, Traits: Unpatched | Unprobed, Module: Module{Memory: MemoryText}, Bounds: Bounds{"__kprobes_text_start", "__kprobes_text_end"}},
	{Name: ".cpuidle.text", Prefix: true, Source: listed, Traits: Unpatched, Module: intoText, Bounds: Bounds{"__cpuidle_text_start", "__cpuidle_text_end"}},
	{Name: ".sched.text", Prefix: true, Source: listed, Reader: "in_sched_functions: what profiles and wait channels leave out", Module: Module{To: Text, Flags: flagsAX, Memory: MemoryText}},
	{Name: ".ref.text", Prefix: true, Source: listed, Reader: "modpost", Module: Module{To: Text, Flags: flagsAX, Memory: MemoryText}},
	{Name: ".spinlock.text", Prefix: true, Source: listed, Module: Module{To: Text, Flags: flagsAX, Memory: MemoryText}},
	{Name: ".meminit.text", Prefix: true, Source: listed, Traits: Freed, Module: intoText},
	{Name: ".irqentry.text", Prefix: true, Source: listed, Module: intoText},
	{Name: ".softirqentry.text", Prefix: true, Source: listed, Module: intoText},
	{Name: ".ref.data", Prefix: true, Source: listed, Module: Module{Memory: MemoryData}},
	{
		Name: PerCPU, Prefix: true, Source: "include/linux/percpu-defs.h", Reader: "find_pcpusec: the loader makes room for each processor",
		Traits: Plain, Module: Module{To: PerCPU, Flags: flagsWA, Memory: MemoryPerCPU},
		Bounds: Bounds{PerCPUStart, PerCPUEnd},
	},
	{
		Name: ROAfterInit, Prefix: true, Source: "include/linux/cache.h", Reader: "module_enable_ro",
		Traits: Plain, Module: Module{To: Data, Flags: flagsWA, Memory: MemoryAfterInit},
		Bounds: Bounds{ROAfterInitStart, ROAfterInitEnd},
	},
	{
		Name: ".data.once", Versions: "up to 6.12, where it becomes .data..once", Source: "include/linux/once.h",
		Traits: Plain | Once, Module: Module{To: Data, Flags: flagsWA, Memory: MemoryData},
	},
}
