package kerneltab

// Sections with records for tracing, debugging and messages.
const (
	PrintkIndex     = ".printk_index"
	TracepointList  = "__tracepoints_ptrs" // what reads it finds the tracepoints that can be switched on
	KprobeBlacklist = "_kprobe_blacklist"
	DebugMessages   = "__dyndbg"

	Tracepoint = "__tracepoint_" // begins the names of struct tracepoint; that of the event follows
)

// line is where a record keeps the line of the source.
func line(off, size, mask uint64) Fields {
	return Fields{Line: {Offset: off, Size: size, Mask: mask, Member: "lineno"}}
}

// branchProfile is struct ftrace_branch_data: two pointers, and the line.
var branchProfile = []Layout{{Struct: "ftrace_branch_data", Fields: Fields{Line: {Offset: 16, Size: 4, Member: "line"}}}}

// debugMessage is struct _ddebug: four pointers, then bits of which the lowest are the
// line; what follows, and whether there is a key, depends on the version and on
// CONFIG_JUMP_LABEL.
var debugMessage = []Layout{{Struct: "_ddebug", Fields: line(32, 4, 1<<18-1)}}

var traceSections = []Section{
	{
		Name: DebugMessages, Prefix: true, Versions: "5.9 and later", Source: "struct _ddebug of include/linux/dynamic_debug.h", Reader: "ddebug_add_module",
		What: "messages of dynamic debug", Traits: PerModule, Layouts: debugMessage,
		Module: Module{To: DebugMessages, Flags: flagsWA, Memory: MemoryData},
	},
	{
		Name: "__verbose", Prefix: true, Versions: "up to 5.8", Source: "struct _ddebug of include/linux/dynamic_debug.h", Reader: "ddebug_add_module",
		What: "messages of dynamic debug", Traits: PerModule, Layouts: debugMessage,
	},
	{
		Name: "__dyndbg_classes", Versions: "6.1 and later", Source: "struct ddebug_class_map of include/linux/dynamic_debug.h", Reader: "ddebug_add_module",
		What: "classes of messages of dynamic debug", Traits: PerModule,
		Module: Module{Memory: MemoryData},
	},
	{
		Name: PrintkIndex, Prefix: true, Versions: "5.15 and later", Source: "struct pi_entry of include/linux/printk.h", Reader: "pi_create_file",
		What: "the index of messages", Class: Info, Why: "it is in the index of messages",
		Layouts: []Layout{{Size: 8, Fields: Fields{Record: {Size: 8, Ref: Absolute}}, Points: &Layout{Struct: "pi_entry", Fields: Fields{
			Format: {Size: 8, Ref: Absolute, Member: "fmt"},
			Name:   {Offset: 8, Size: 8, Ref: Absolute, Member: "func"},
			File:   {Offset: 16, Size: 8, Ref: Absolute, Member: "file"},
			Line:   {Offset: 24, Size: 4, Member: "line"},
		}}}},
	},
	{
		Name: TracepointList, Source: "include/linux/tracepoint.h", Reader: "tracepoint_module_notify",
		What: "tracepoints", Traits: PerModule,
		Layouts: []Layout{{Size: 4, Fields: Fields{Record: {Size: 4, Ref: Relative32}}}},
		Module:  Module{Memory: MemoryReadOnly},
		Bounds:  Bounds{"__start___tracepoints_ptrs", "__stop___tracepoints_ptrs"},
	},
	{
		Name: "__tracepoint_ptrs", Source: "include/linux/tracepoint.h", Reader: "likewise",
		What: "tracepoints", Traits: PerModule, Module: Module{Memory: MemoryReadOnly},
	},
	{
		Name: "__tracepoints_strings", Source: "include/linux/tracepoint.h", Reader: "nobody: tracepoints point there",
		What: "names of tracepoints", Traits: PerModule, Module: Module{Memory: MemoryReadOnly},
	},
	{
		Name: "__tracepoints", Prefix: true, Source: "struct tracepoint of include/linux/tracepoint-defs.h", Reader: "__tracepoints_ptrs lists them",
		What: "tracepoints", Traits: PerModule, Module: Module{Memory: MemoryData},
	},
	{
		Name: "__tracepoint", Prefix: true, Source: "__tracepoint_str of include/linux/trace_events.h", Reader: "trace_module_notify",
		What: "strings for tracing", Traits: PerModule,
	},
	{
		Name: "__bpf_raw_tp_map", Prefix: true, Source: "struct bpf_raw_event_map of include/linux/tracepoint-defs.h", Reader: "bpf_event_notify",
		What: "tracepoints that BPF programs can use", Traits: PerModule,
		Layouts: []Layout{{Size: 32, Struct: "bpf_raw_event_map"}}, Module: Module{Memory: MemoryData},
	},
	{
		Name: "_ftrace_e", Prefix: true, Source: "_ftrace_events and _ftrace_eval_map of include/trace/trace_events.h", Reader: "trace_module_notify",
		What: "events of tracing", Traits: PerModule,
		Layouts: []Layout{{Size: 8, Fields: Fields{Record: {Size: 8, Ref: Absolute}}}}, Module: Module{Memory: MemoryData},
	},
	{
		Name: "_ftrace_annotated_branch", Prefix: true, Source: "struct ftrace_branch_data of include/linux/compiler_types.h", Reader: "kernel/trace/trace_branch.c, in the image alone",
		What: "likely branches", Traits: PerModule, Layouts: branchProfile, Module: Module{Memory: MemoryData},
	},
	{
		Name: "_ftrace_branch", Prefix: true, Source: "struct ftrace_branch_data of include/linux/compiler_types.h", Reader: "likewise",
		What: "branches", Traits: PerModule, Layouts: branchProfile, Module: Module{Memory: MemoryData},
	},
	{
		Name: "_ftrace", Prefix: true, Source: "include/asm-generic/vmlinux.lds.h", Reader: "nobody known",
		What: "something for tracing", Module: Module{Memory: MemoryData},
	},
	{
		Name: "__trace_printk_fmt", Prefix: true, Source: "include/linux/kernel.h", Reader: "module_trace_bprintk_format_notify",
		What: "formats of trace_printk", Traits: PerModule,
		Layouts: []Layout{{Size: 8, Fields: Fields{Format: {Size: 8, Ref: Absolute}}}},
	},
	{
		Name: "__syscalls_metadata", Prefix: true, Source: "include/linux/syscalls.h", Reader: "init_ftrace_syscalls, in the image alone",
		What: "system calls, for tracing", Traits: PerModule,
		Layouts: []Layout{{Size: 8, Fields: Fields{Record: {Size: 8, Ref: Absolute}}}}, Module: Module{Memory: MemoryData},
	},
	{
		Name: "_error_injection_whitelist", Prefix: true, Source: "struct error_injection_entry of include/asm-generic/error-injection.h", Reader: "ei_module_callback",
		What: "functions that errors can be injected into", Traits: PerModule,
		Layouts: []Layout{{Size: 16, Struct: "error_injection_entry"}},
	},
	{
		Name: KprobeBlacklist, Prefix: true, Source: "NOKPROBE_SYMBOL of include/asm-generic/kprobes.h", Reader: "kprobes_module_callback",
		What: "functions that no kprobe may be put on", Traits: PerModule,
		Layouts: []Layout{{Size: 8, Fields: Fields{Record: {Size: 8, Ref: Absolute}}}},
	},
	{
		Name: "___srcu_struct_ptrs", Prefix: true, Source: "include/linux/srcutree.h", Reader: "srcu_module_notify",
		What: "domains of SRCU", Traits: PerModule,
		Layouts: []Layout{{Size: 8, Fields: Fields{Record: {Size: 8, Ref: Absolute}}}},
	},
	{
		Name: "alloc_tags", Prefix: true, Versions: "6.10 and later", Source: "struct codetag of include/linux/codetag.h", Reader: "codetag_load_module",
		What: "places that memory is allocated at", Traits: PerModule,
		Layouts: []Layout{{Struct: "alloc_tag", Fields: line(4, 4, 0)}},
	},
}
