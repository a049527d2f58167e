package flow

import "strings"

// calleeDoes says more of a function that keeps nothing of what it is passed.
type calleeDoes uint16

const (
	returnsArgument calleeDoes = 1 << iota // its result may be an argument, or a place inside
	copiesContent                          // what the second argument leads to is copied to where the first leads
	copiesFirst                            // what the first leads to is copied
	preservesAll                           // it changes no register that the compiler knows of
	keepsOthers                            // it may keep all but the first argument
	readsThird                             // it may keep all, but the third for who reads its content only
	readsFourth                            // likewise the fourth
	readsFifth                             // likewise the fifth
	dropsFifth                             // it may keep all but the fifth
	dropsSixth                             // likewise the sixth
)

// readArguments are the arguments of which the content alone matters, from 1.
var readArguments = map[calleeDoes]int{readsThird: 3, readsFourth: 4, readsFifth: 5}

// droppedArguments are the arguments that alone are not kept, from 1.
var droppedArguments = map[calleeDoes]int{keepsOthers: 1, dropsFifth: 5, dropsSixth: 6}

// callee is a row of the table of functions that do not keep what they are passed:
// when they return, nobody has the address of an argument, or calls a function that
// one was. None of them stores an argument, or a place inside, where another argument
// leads. Names that end in * stand for all that begin so.
type callee struct {
	name string
	does calleeDoes
}

// keepsNothing is the table. The functions of the kernel are those of Linux 6.1 and 6.12, without
// lockdep or with: that forgets what lies in a module when it is removed
// (lockdep_free_key_range). Those of C are of ISO C and POSIX.
var keepsNothing = []callee{
	// lib/string.c, lib/string_helpers.c, fortified ones, and C
	{"memcpy", returnsArgument | copiesContent}, {"__memcpy", returnsArgument | copiesContent},
	{"memmove", returnsArgument | copiesContent}, {"__memmove", returnsArgument | copiesContent},
	{"memcpy_toio", copiesContent}, {"mempcpy", returnsArgument | copiesContent},
	{"memset", returnsArgument}, {"__memset", returnsArgument}, {"memcmp", 0}, {"bcmp", 0}, {"memchr", returnsArgument}, {"memchr_inv", returnsArgument}, {"memscan", returnsArgument},
	{"strcmp", 0}, {"strncmp", 0}, {"strcasecmp", 0}, {"strncasecmp", 0}, {"strlen", 0}, {"strnlen", 0},
	{"strcpy", returnsArgument}, {"strncpy", returnsArgument}, {"strlcpy", 0}, {"strscpy", 0}, {"strscpy_pad", 0}, {"sized_strscpy", 0},
	{"strcat", returnsArgument}, {"strncat", returnsArgument}, {"strlcat", 0}, {"stpcpy", returnsArgument},
	{"strchr", returnsArgument}, {"strchrnul", returnsArgument}, {"strrchr", returnsArgument}, {"strnchr", returnsArgument}, {"strstr", returnsArgument}, {"strnstr", returnsArgument},
	{"strspn", 0}, {"strcspn", 0}, {"strpbrk", returnsArgument}, {"skip_spaces", returnsArgument}, {"strim", returnsArgument},
	{"match_string", 0}, {"__sysfs_match_string", 0}, {"sysfs_streq", 0}, {"sysfs_match_string", 0}, {"strreplace", returnsArgument},
	{"kstrdup", 0}, {"kstrdup_const", 0}, {"kstrndup", 0}, {"kmemdup", copiesFirst}, {"kmemdup_nul", 0}, {"kvmemdup", copiesFirst}, {"strdup", 0}, {"strndup", 0},
	{"kstrto*", 0}, {"sscanf", 0}, {"vsscanf", 0}, {"parse_option_str", 0}, {"hex_to_bin", 0}, {"hex2bin", 0},
	// lib/vsprintf.c, lib/kasprintf.c, fs/seq_file.c, kernel/printk
	{"printk", 0}, {"_printk", 0}, {"vprintk", 0}, {"vprintk_emit", 0}, {"_printk_deferred", 0}, {"dev_printk_emit", 0}, {"early_printk", 0}, {"panic", 0}, {"nmi_panic", 0},
	{"sprintf", 0}, {"snprintf", 0}, {"scnprintf", 0}, {"vsprintf", 0}, {"vsnprintf", 0}, {"vscnprintf", 0}, {"kasprintf", 0}, {"kvasprintf", 0}, {"kvasprintf_const", 0}, {"asprintf", 0},
	{"sysfs_emit", 0}, {"sysfs_emit_at", 0}, {"print_hex_dump", 0}, {"hex_dump_to_buffer", 0},
	{"seq_printf", 0}, {"seq_vprintf", 0}, {"seq_puts", 0}, {"__seq_puts", 0}, {"seq_putc", 0}, {"seq_write", 0}, {"seq_escape*", 0}, {"seq_put_decimal_*", 0}, {"seq_put_hex_ll", 0},
	{"seq_path", 0}, {"seq_file_path", 0}, {"seq_dentry", 0}, {"seq_path_root", 0}, {"seq_hex_dump", 0}, {"seq_pad", 0}, {"seq_bprintf", 0}, {"mangle_path", returnsArgument},
	{"seq_buf_printf", 0}, {"seq_buf_puts", 0}, {"seq_buf_putmem", 0}, {"trace_seq_printf", 0}, {"trace_seq_puts", 0}, {"trace_seq_putc", 0}, {"trace_seq_putmem", 0},
	{"__trace_printk", 0}, {"__ftrace_vprintk", 0}, {"simple_read_from_buffer", 0}, {"simple_write_to_buffer", 0},
	{"printf", 0}, {"fprintf", 0}, {"dprintf", 0}, {"vprintf", 0}, {"vfprintf", 0}, {"puts", 0}, {"fputs", 0}, {"fputs_unlocked", 0}, {"putchar", 0}, {"fwrite", 0}, {"write", 0}, {"perror", 0},
	{"__printf_chk", 0}, {"__fprintf_chk", 0}, {"__sprintf_chk", 0}, {"__snprintf_chk", 0}, {"__vsnprintf_chk", 0}, {"__memcpy_chk", returnsArgument | copiesContent}, {"__memmove_chk", returnsArgument | copiesContent}, {"__strcpy_chk", returnsArgument}, {"__strcat_chk", returnsArgument}, {"__memset_chk", returnsArgument},
	// messages: kernel/panic.c, drivers/base/core.c, net/core/dev.c, lib/dynamic_debug.c, net/core/sock.c and others
	{"__warn_printk", 0}, {"warn_slowpath_fmt", 0}, {"__warn", 0}, {"add_taint", 0}, {"dump_stack", 0}, {"dump_stack_lvl", 0}, {"___ratelimit", 0}, {"__printk_ratelimit", 0}, {"printk_timed_ratelimit", 0},
	{"_dev_emerg", 0}, {"_dev_alert", 0}, {"_dev_crit", 0}, {"_dev_err", 0}, {"_dev_warn", 0}, {"_dev_notice", 0}, {"_dev_info", 0}, {"_dev_printk", 0}, {"dev_printk", 0}, {"__dev_printk", 0}, {"dev_err_probe", 0}, {"dev_warn_probe", 0}, {"netdev_printk", 0}, {"netdev_emerg", 0}, {"netdev_alert", 0}, {"netdev_crit", 0}, {"netdev_err", 0}, {"netdev_warn", 0}, {"netdev_notice", 0}, {"netdev_info", 0},
	{"__dynamic_pr_debug", 0}, {"__dynamic_dev_dbg", 0}, {"__dynamic_netdev_dbg", 0}, {"__dynamic_ibdev_dbg", 0}, {"net_ratelimit", 0},
	{"__ext4_msg", 0}, {"__ext4_warning", 0}, {"__ext4_warning_inode", 0},
	{"__ext4_error_inode", dropsSixth}, {"__ext4_error_file", dropsFifth}, // formats; the names of functions are kept (s_last_error_func)
	{"btrfs_printk", 0}, {"_btrfs_printk", 0}, {"btrfs_handle_fs_error", 0}, {"__btrfs_handle_fs_error", 0}, {"__btrfs_panic", 0}, {"f2fs_printk", 0}, {"_fat_msg", 0}, {"__fat_fs_error", 0}, {"xfs_printk_level", 0},
	{"errorf", 0}, {"logfc", 0}, {"audit_log_format", 0}, {"audit_log_untrustedstring", 0}, {"audit_log_n_untrustedstring", 0}, {"audit_log_d_path", 0}, {"audit_log_n_hex", 0}, {"audit_log", 0},
	{"bpf_log", 0}, {"bpf_verifier_log_write", 0}, {"drm_printf", 0}, {"__drm_err", 0}, {"__drm_dev_dbg", 0}, {"drm_dev_printk", 0}, {"___drm_dbg", 0}, {"sdev_prefix_printk", 0}, {"scmd_printk", 0}, {"ata_dev_printk", 0}, {"ata_port_printk", 0}, {"ata_link_printk", 0},
	{"acpi_error", 0}, {"acpi_warning", 0}, {"acpi_info", 0}, {"acpi_exception", 0}, {"acpi_debug_print", 0}, {"acpi_handle_printk", 0}, {"__acpi_handle_debug", 0}, {"acpi_ut_predefined_*", 0}, {"pnp_dbg", 0}, {"lockdep_rcu_suspicious", 0},
	{"__might_sleep", 0}, {"__might_fault", 0}, {"__might_resched", 0}, {"__cant_sleep", 0}, {"__cant_migrate", 0}, {"__stack_chk_fail", 0}, {"fortify_panic", 0}, {"__fortify_panic", 0}, {"__fortify_report", 0}, {"usercopy_abort", 0}, {"__check_object_size", 0}, {"__check_heap_object", 0},
	{"__ubsan_handle_*", 0}, {"copy_overflow", 0}, {"__copy_overflow", 0}, {"__bad_copy_to", 0}, {"do_trace_*", 0},
	{"__assert_fail", 0}, {"abort", 0}, {"exit", 0}, {"_exit", 0},
	// user memory: arch/x86/lib/usercopy_64.c, copy_user_64.S, getuser.S, putuser.S
	{"_copy_to_user", 0}, {"_copy_from_user", 0}, {"copy_user_generic*", 0}, {"copy_user_enhanced_fast_string", 0}, {"rep_movs_alternative", 0}, {"copy_from_kernel_nofault", copiesContent}, {"copy_to_kernel_nofault", copiesContent},
	{"strncpy_from_user", 0}, {"strnlen_user", 0}, {"_copy_to_iter", 0}, {"_copy_from_iter", 0}, {"copy_to_sockptr*", 0}, {"clear_user", 0}, {"put_cmsg", 0}, {"put_user_ifreq", 0}, {"copy_siginfo_to_user", 0},
	{"__get_user_*", preservesAll}, {"__put_user_*", preservesAll},
	// locks (kernel/locking) and reference counts; who waits for one is on a stack in the code that travels
	{"_raw_spin_*", 0}, {"_raw_read_*", 0}, {"_raw_write_*", 0}, {"mutex_lock*", 0}, {"mutex_unlock", 0}, {"mutex_trylock", 0}, {"mutex_is_locked", 0}, {"down", 0}, {"down_read*", 0}, {"down_write*", 0}, {"down_interruptible", 0}, {"down_killable", 0}, {"down_trylock", 0}, {"down_timeout", 0}, {"up", 0}, {"up_read", 0}, {"up_write", 0}, {"downgrade_write", 0}, {"__percpu_down_read", 0}, {"rcuwait_wake_up", 0},
	{"__mutex_init", 0}, {"__init_rwsem", 0}, {"__raw_spin_lock_init", 0}, {"__rwlock_init", 0}, {"__init_waitqueue_head", 0}, {"__init_swait_queue_head", 0}, {"lockdep_init_map_type", 0}, {"lock_acquire", 0}, {"lock_release", 0}, {"lock_is_held_type", 0}, {"queued_spin_lock_slowpath", 0}, {"queued_read_lock_slowpath", 0}, {"queued_write_lock_slowpath", 0},
	{"__wake_up*", 0}, {"wake_up_process", 0}, {"complete", 0}, {"complete_all", 0}, {"wait_for_completion*", 0}, {"finish_wait", 0}, {"refcount_warn_saturate", 0}, {"refcount_dec_and_mutex_lock", 0}, {"refcount_dec_and_lock", 0}, {"_atomic_dec_and_lock", 0},
	{"__preempt_count_*", preservesAll}, {"preempt_schedule*", preservesAll}, {"__preempt_schedule*", preservesAll}, {"__SCT__preempt_schedule*", preservesAll}, {"__SCT__cond_resched", 0}, {"__SCT__might_resched", 0}, {"__cond_resched", 0}, {"synchronize_rcu", 0}, {"__rcu_read_lock", 0}, {"__rcu_read_unlock", 0}, {"__srcu_read_lock", 0}, {"__srcu_read_unlock", 0},
	// static keys and calls: kernel/jump_label.c forgets those of a module when it is removed
	{"static_key_enable*", 0}, {"static_key_disable*", 0}, {"static_key_slow_*", 0}, {"static_key_count", 0}, {"static_key_fast_inc_not_disabled", 0},
	// what calls back only before it returns: lib, drivers/base, kernel
	{"btf_id_set_contains", 0}, {"btf_id_set8_contains", 0}, {"sort", 0}, {"sort_r", 0}, {"list_sort", 0}, {"qsort", 0}, {"bsearch", returnsArgument}, {"bus_for_each_dev", 0}, {"bus_for_each_drv", 0}, {"bus_find_device", 0}, {"class_for_each_device", 0}, {"class_find_device", 0}, {"driver_for_each_device", 0}, {"driver_find_device", 0}, {"device_for_each_child*", 0}, {"device_find_child*", 0}, {"idr_for_each", 0}, {"iterate_fd", 0}, {"iterate_supers*", 0},
	{"stop_machine", 0}, {"stop_machine_cpuslocked", 0}, {"work_on_cpu", 0}, {"work_on_cpu_safe", 0}, {"dev_get_by_name*", 0}, {"__dev_get_by_name", 0}, {"filp_open", 0}, {"kernel_read", 0}, {"kernel_write", 0}, {"lookup_one_len", 0}, {"request_firmware", 0}, {"request_firmware_direct", 0}, {"firmware_request_nowarn", 0}, {"request_module", 0}, {"__request_module", 0}, {"crypto_alloc_shash", 0}, {"crypto_alloc_ahash", 0}, {"crypto_alloc_skcipher", 0}, {"crypto_alloc_sync_skcipher", 0}, {"crypto_alloc_aead", 0}, {"crypto_alloc_akcipher", 0}, {"crypto_alloc_kpp", 0}, {"crypto_alloc_rng", 0}, {"crypto_alloc_acomp", 0},
	// what copies a name, as it lies in no constants of the kernel's (include/asm-generic/sections.h):
	// lib/kobject.c, drivers/base/core.c, mm/slab_common.c
	{"kobject_set_name", 0}, {"kobject_set_name_vargs", 0}, {"dev_set_name", 0},
	{"kmem_cache_create", keepsOthers}, {"kmem_cache_create_usercopy", keepsOthers}, {"__kmem_cache_create_args", keepsOthers},
	// numbers and bits: lib
	{"find_*_bit*", 0}, {"_find_*", 0}, {"__bitmap_*", 0}, {"bitmap_*", 0}, {"hweight*", preservesAll}, {"crc32*", 0}, {"__crc32*", 0}, {"crc16", 0}, {"jhash", 0}, {"get_random_bytes", 0}, {"cpumask_next*", 0}, {"num_to_str", 0}, {"int_sqrt", 0}, {"prandom_*", 0}, {"ktime_get*", 0},
	// lib/nlattr.c: a policy is read, and once more for the answer to an error (netlink_ack)
	{"__nla_parse", readsFifth}, {"__nla_validate", readsFourth}, {"nla_policy_len", 0},
	{"iwpm_parse_nlmsg", readsThird}, // drivers/infiniband/core/iwpm_util.c, by these two
	{"nla_put", 0}, {"nla_put_64bit", 0}, {"nla_strcmp", 0}, {"nla_memcpy", 0}, {"__nlmsg_put", 0}, {"skb_copy_bits", 0}, {"skb_put_data", 0}, {"skb_store_bits", 0}, {"do_trace_netlink_extack", 0},
	{"of_property_read_*", 0}, {"of_property_count_*", 0}, {"of_property_match_string", 0}, {"device_property_present", 0}, {"device_property_read_*", 0}, {"device_property_match_string", 0}, {"fwnode_property_present", 0}, {"fwnode_property_read_*", 0}, {"fwnode_property_match_string", 0}, {"acpi_evaluate_object", 0}, {"acpi_evaluate_object_typed", 0}, {"acpi_evaluate_integer", 0}, {"acpi_evaluate_reference", 0}, {"acpi_evaluate_dsm", 0}, {"acpi_get_handle", 0},
	// instrumentation
	{"__fentry__", preservesAll}, {"mcount", preservesAll}, {"__sanitizer_cov_trace_*", preservesAll}, {"__tsan_read*", preservesAll}, {"__tsan_write*", preservesAll}, {"__tsan_unaligned_*", preservesAll}, {"__tsan_volatile_*", preservesAll}, {"__tsan_func_*", preservesAll},
	{"__asan_load*", 0}, {"__asan_store*", 0}, {"__asan_report_*", 0}, {"__asan_handle_no_return", 0}, {"__asan_alloca_poison", 0}, {"__asan_allocas_unpoison", 0}, {"__asan_memcpy", returnsArgument | copiesContent}, {"__asan_memmove", returnsArgument | copiesContent}, {"__tsan_memcpy", returnsArgument | copiesContent}, {"__tsan_memmove", returnsArgument | copiesContent}, {"__asan_memset", returnsArgument}, {"__tsan_memset", returnsArgument}, {"__kcsan_*", preservesAll}, {"_mcount", preservesAll}, {"__cyg_profile_*", 0},
}

// exactCallees and prefixCallees are the table as it is asked: by name, and by what
// names begin with.
var exactCallees, prefixCallees = func() (map[string]*callee, []*callee) {
	exact := make(map[string]*callee, len(keepsNothing))
	var prefixes []*callee
	for i := range keepsNothing {
		c := &keepsNothing[i]
		if strings.Contains(c.name, "*") {
			prefixes = append(prefixes, c)
		} else {
			exact[c.name] = c
		}
	}
	return exact, prefixes
}()

// calleeOf returns the row for a function, or nil.
func calleeOf(name string) *callee {
	if c, ok := exactCallees[name]; ok {
		return c
	}
	for _, c := range prefixCallees {
		if matches(c.name, name) {
			return c
		}
	}
	return nil
}

// matches reports whether a name has the parts of a pattern in their order: * stands
// for anything.
func matches(pattern, name string) bool {
	first, rest, _ := strings.Cut(pattern, "*")
	name, ok := strings.CutPrefix(name, first)
	if !ok {
		return false
	}
	for rest != "" {
		var part string
		var more bool
		part, rest, more = strings.Cut(rest, "*")
		i := strings.Index(name, part)
		if i < 0 || !more && !strings.HasSuffix(name, part) {
			return false
		}
		name = name[i+len(part):]
	}
	return true
}
