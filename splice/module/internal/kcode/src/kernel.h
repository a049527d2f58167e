/* What the code uses of the kernel. Nothing here depends on a version: the linker
 * fills in where each symbol is, and the offsets of members by the kernel's BTF. */
#ifndef KERNEL_H
#define KERNEL_H

typedef _Bool bool;
#define true 1
#define false 0
typedef signed int s32;
typedef signed long long s64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define NULL ((void *)0)
#define ASSERT(condition) _Static_assert(condition, #condition)

/* Errors (include/uapi/asm-generic/errno-base.h and errno.h). */
#define EAGAIN 11
#define EBUSY 16
#define EINVAL 22
#define EINPROGRESS 115

/* Levels of messages (include/linux/kern_levels.h). */
#define KERN_ERR "\001" "3"
#define KERN_WARNING "\001" "4"
#define KERN_NOTICE "\001" "5"

/* KERNEL_MEMBER(s, m, type) declares s_m(p), which leads to the member m of the
 * kernel's struct s. Its offset is the value of the symbol "s.m". */
#define KERNEL_MEMBER(s, m, type)                                            \
	extern const char offset_##s##_##m[] asm(#s "." #m);                 \
	static inline type *s##_##m(const struct s *p)                       \
	{                                                                    \
		return (type *)((u64)p + (u64)offset_##s##_##m);             \
	}

/* KERNEL_OFFSET(s, m) is that offset, and KERNEL_SIZE(s) the size of the struct: the
 * value of the symbol "sizeof.s", which KERNEL_SIZED declares. */
#define KERNEL_OFFSET(s, m) ((u64)offset_##s##_##m)
#define KERNEL_SIZED(s) extern const char sizeof_##s[] asm("sizeof." #s)
#define KERNEL_SIZE(s) ((u64)sizeof_##s)

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

static inline void cpu_relax(void)
{
	asm volatile("pause" ::: "memory");
}

/* sync_core serializes, as a processor has to before it runs code that another one
 * has changed (Intel SDM volume 3, section 9.1.3). */
static inline void sync_core(void)
{
	u32 leaf = 0, count = 0;

	asm volatile("cpuid" : "+a"(leaf), "+c"(count) : : "ebx", "edx", "memory");
}

static inline const u64 *stack_pointer(void)
{
	const u64 *sp;

	asm volatile("mov %%rsp, %0" : "=r"(sp));
	return sp;
}

/* Lists (include/linux/list.h). */
struct list_head {
	struct list_head *next;
};

struct mutex;

/* Modules (kernel/module/main.c). */
struct module;
KERNEL_MEMBER(module, refcnt, u32)
KERNEL_MEMBER(module, exit, u64)
KERNEL_MEMBER(module, klp_alive, bool)
KERNEL_MEMBER(module, taints, u64)
#define TAINT_PROPRIETARY_MODULE 1
extern const char offset_module_name[] asm("module.name");
static inline const char *name_of(const struct module *module)
{
	return (const char *)((u64)module + (u64)offset_module_name);
}
extern struct module __this_module;
void __module_get(struct module *module);
bool try_module_get(struct module *module);
void module_put(struct module *module);

/* Parameters of modules (include/linux/moduleparam.h). */
struct kernel_param;
KERNEL_SIZED(kernel_param);
KERNEL_MEMBER(kernel_param, name, const char *)
KERNEL_MEMBER(kernel_param, arg, void *)
KERNEL_MEMBER(module, kp, const struct kernel_param *)
KERNEL_MEMBER(module, num_kp, u32)
struct module *__module_address(u64 address); /* module_mutex is held */

/* What modules export (kernel/module/internal.h). The lock is for find_symbol. */
struct kernel_symbol;
KERNEL_MEMBER(kernel_symbol, value_offset, s32)
struct find_symbol_arg;
#define FIND_SYMBOL_ARG_WORDS 16 /* more than it has */
KERNEL_MEMBER(find_symbol_arg, name, const char *)
KERNEL_MEMBER(find_symbol_arg, gplok, bool)
KERNEL_MEMBER(find_symbol_arg, owner, struct module *)
KERNEL_MEMBER(find_symbol_arg, crc, const u32 *)
KERNEL_MEMBER(find_symbol_arg, sym, struct kernel_symbol *)
extern struct mutex module_mutex;
bool find_symbol(struct find_symbol_arg *arg);

/* Livepatch (include/linux/livepatch.h). */
struct klp_patch;
KERNEL_MEMBER(klp_patch, list, struct list_head)
KERNEL_MEMBER(klp_patch, states, struct klp_state *)
KERNEL_MEMBER(klp_patch, mod, struct module *)
KERNEL_MEMBER(klp_patch, enabled, bool)
struct klp_object;
KERNEL_MEMBER(klp_object, mod, struct module *)
struct klp_state;
KERNEL_SIZED(klp_state);
KERNEL_MEMBER(klp_state, id, u64)
KERNEL_MEMBER(klp_state, data, void *)
extern struct list_head klp_patches;
int klp_enable_patch(struct klp_patch *patch);

/* Tasks (include/linux/sched.h). */
struct thread_struct;
KERNEL_MEMBER(thread_struct, sp, u64)
struct signal_struct;
KERNEL_MEMBER(signal_struct, thread_head, struct list_head)
struct task_struct;
KERNEL_MEMBER(task_struct, tasks, struct list_head)
KERNEL_MEMBER(task_struct, thread_node, struct list_head)
KERNEL_MEMBER(task_struct, signal, struct signal_struct *)
KERNEL_MEMBER(task_struct, stack, void *)
KERNEL_MEMBER(task_struct, thread, struct thread_struct)
KERNEL_MEMBER(task_struct, comm, char)
KERNEL_MEMBER(task_struct, pid, u32)
KERNEL_MEMBER(task_struct, start_time, u64)
KERNEL_MEMBER(task_struct, nvcsw, u64)
KERNEL_MEMBER(task_struct, nivcsw, u64)
#define TASK_COMM_LEN 16
extern struct task_struct init_task;

/* Processors (kernel/cpu.c, kernel/smp.c, kernel/smpboot.c). */
struct cpumask;
extern u32 nr_cpu_ids;
extern u32 __num_online_cpus;
extern const u64 __cpu_possible_mask[];
extern const struct cpumask __cpu_online_mask;
extern const u64 __per_cpu_offset[];
extern struct task_struct *idle_threads; /* per processor */
void cpus_read_lock(void);
void cpus_read_unlock(void);
int stop_machine(int (*fn)(void *), void *data, const struct cpumask *cpus);
int stop_machine_cpuslocked(int (*fn)(void *), void *data, const struct cpumask *cpus);

/* Code (arch/x86/kernel/alternative.c, kernel/extable.c). */
int stack_trace_save_tsk_reliable(struct task_struct *task, u64 *store, u32 size);
extern struct mutex text_mutex;
void *text_poke(void *at, const void *bytes, u64 size);

/* Memory (include/linux/vmalloc.h); vmalloc before Linux 6.10. */
void *vmalloc_noprof(u64 size);
void vfree(const void *memory);

/* Probes (include/linux/kprobes.h). */
struct kprobe;
KERNEL_SIZED(kprobe);
KERNEL_MEMBER(kprobe, addr, void *)
struct pt_regs;
KERNEL_MEMBER(pt_regs, ip, u64)
int register_kprobes(struct kprobe **list, int count);
void unregister_kprobes(struct kprobe **list, int count);
int enable_kprobe(struct kprobe *probe);
int disable_kprobe(struct kprobe *probe);
void synchronize_rcu_tasks(void);

void mutex_lock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);
void msleep(u32 milliseconds);
__attribute__((format(printf, 1, 2))) int _printk(const char *format, ...);

#endif
