/* A kernel in a program: as much of one as the code needs that a module brings along. The
 * very objects that go into modules are linked with it, by gcc -no-pie. */
#define _GNU_SOURCE
#include "kernel.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

/* The offsets of this kernel's structures, as BTF would have them. */
#define OFFSET(name, value) asm(".globl " name "\n\t.set " name ", " #value)
OFFSET("module.refcnt", 8);
OFFSET("module.klp_alive", 12);
OFFSET("module.exit", 16);
OFFSET("module.name", 28);
OFFSET("module.taints", 48);
OFFSET("module.kp", 56);
OFFSET("module.num_kp", 64);
OFFSET("kernel_param.name", 0);
OFFSET("kernel_param.arg", 16);
OFFSET("sizeof.kernel_param", 24);
OFFSET("kernel_symbol.value_offset", 4);
OFFSET("find_symbol_arg.name", 8);
OFFSET("find_symbol_arg.gplok", 0);
OFFSET("find_symbol_arg.owner", 16);
OFFSET("find_symbol_arg.crc", 24);
OFFSET("find_symbol_arg.sym", 32);
OFFSET("klp_object.mod", 8);
OFFSET("klp_patch.list", 16);
OFFSET("klp_patch.states", 8);
OFFSET("klp_patch.mod", 24);
OFFSET("klp_patch.enabled", 32);
OFFSET("sizeof.klp_state", 24);
OFFSET("klp_state.id", 0);
OFFSET("klp_state.data", 16);
OFFSET("task_struct.stack", 8);
OFFSET("task_struct.tasks", 16);
OFFSET("task_struct.thread_node", 24);
OFFSET("task_struct.signal", 32);
OFFSET("task_struct.thread", 40);
OFFSET("task_struct.comm", 48);
OFFSET("task_struct.pid", 64);
OFFSET("task_struct.start_time", 72);
OFFSET("task_struct.nvcsw", 80);
OFFSET("task_struct.nivcsw", 88);
OFFSET("signal_struct.thread_head", 8);
OFFSET("thread_struct.sp", 0);
OFFSET("sizeof.kprobe", 24);
OFFSET("kprobe.addr", 8);
OFFSET("pt_regs.ip", 16);
OFFSET("probe_stack_words", 3);
OFFSET("probe_count", 2);
OFFSET("stack_size", 65536);
OFFSET("stack_unused", 64);

struct module __this_module;
struct task_struct init_task;
struct signal_struct init_signal;
struct list_head klp_patches;
struct module *module_there;
void *code_there;
int text_mutex, module_mutex, __cpu_online_mask;

unsigned nr_cpu_ids = 3, __num_online_cpus = 1;
unsigned long __cpu_possible_mask[] = { 5 }; /* 0 and 2 */
struct task_struct *idle_threads; /* of processor 0 */
struct task_struct *idle_2;
unsigned long __per_cpu_offset[3];

char printed[4096];
int slept, refs, other_refs, pokes, locked, searching, held, stopped, unpatched;
struct exported exported;
int enable_error, register_error, probe_error, pre_patch_error;
unsigned long replaced_with[10];

int _printk(const char *format, ...)
{
	va_list args;
	size_t n = strlen(printed);

	va_start(args, format);
	vsnprintf(printed + n, sizeof(printed) - n, format, args);
	va_end(args);
	return 0;
}

void (*while_asleep)(void);
void msleep(unsigned milliseconds)
{
	slept += milliseconds;
	if (while_asleep)
		while_asleep();
}
void __module_get(struct module *m) { *(m == &__this_module ? &refs : &other_refs) += 1; }
char try_module_get(struct module *m) { m->users += !m->going; return !m->going; }
void module_put(struct module *m) { m->users--; }
struct module *__module_address(unsigned long at) { return searching && at == (unsigned long)code_there ? module_there : NULL; }
void mutex_lock(int *lock) { locked += lock == &text_mutex; searching += lock == &module_mutex; }
void mutex_unlock(int *lock) { locked -= lock == &text_mutex; searching -= lock == &module_mutex; }
char find_symbol(struct find_symbol_arg *arg)
{
	if (!searching || !arg->gplok || arg->owner || strcmp(arg->name, exported.name))
		return 0;
	arg->owner = exported.owner;
	arg->crc = exported.crc;
	arg->sym = &exported.sym;
	return 1;
}
/* The lock of the processors is taken before text_mutex and left after it, or does not count. */
void cpus_read_lock(void) { held += !locked; }
void cpus_read_unlock(void) { held -= !locked; }

/* What stops the machine has a stack of its own, as large as it is aligned. */
static struct {
	_Alignas(STACK) char stack[STACK];
	ucontext_t here, there;
	int (*fn)(void *);
	void *data;
	int result;
} stopper;
void *volatile on_stopper; /* a word on that stack */

static void stopper_thread(void)
{
	void *volatile words[16] = { on_stopper }; /* further down than what is not looked at */

	stopper.result = stopper.fn(stopper.data);
	on_stopper = words[0];
}

static int stop(int (*fn)(void *), void *data)
{
	memset(stopper.stack, 0, STACK);
	stopper.fn = fn;
	stopper.data = data;
	getcontext(&stopper.there);
	for (int reg = REG_R8; reg <= REG_RCX; reg++) /* nothing of the caller gets onto its stack */
		stopper.there.uc_mcontext.gregs[reg] = 0;
	stopper.there.uc_stack.ss_sp = stopper.stack;
	stopper.there.uc_stack.ss_size = STACK;
	stopper.there.uc_link = &stopper.here;
	makecontext(&stopper.there, stopper_thread, 0);
	swapcontext(&stopper.here, &stopper.there);
	return stopper.result;
}

void (*while_running)(int part);
int no_memory, allocated;
void *vmalloc_noprof(size_t size)
{
	void *memory = no_memory || locked || held ? NULL : malloc(size);

	allocated += memory != NULL;
	return memory ? memset(memory, 0xa5, size) : NULL;
}
void vfree(void *memory)
{
	allocated -= memory != NULL;
	free(memory);
}

int stop_machine_cpuslocked(int (*fn)(void *), void *data, void *cpus)
{
	if (while_running)
		while_running(stopped);
	stopped += locked && held && (!cpus || cpus == &__cpu_online_mask);
	return stop(fn, data);
}

int stop_machine(int (*fn)(void *), void *data, void *cpus)
{
	stopped += !locked && !held && !cpus;
	return stop(fn, data);
}

unsigned long unwound[2]; /* what the unwinder finds on any stack, */
int depth = -22;          /* and how much */

int stack_trace_save_tsk_reliable(struct task_struct *task, unsigned long *store, unsigned size)
{
	(void)task;
	if (depth > 0 && size >= sizeof(unwound) / sizeof(*unwound))
		memcpy(store, unwound, sizeof(unwound));
	return depth;
}

void *text_poke(void *at, const void *bytes, size_t size) { pokes += locked; return memcpy(at, bytes, size); }
int klp_enable_patch(void *patch) { (void)patch; return enable_error; }
int register_kprobes(void **list, int n) { (void)list; return n == 2 ? register_error : -1; }
void unregister_kprobes(void **list, int n) { (void)list; unpatched += n; }
int enable_kprobe(void *probe) { (void)probe; return probe_error; }
int disable_kprobe(void *probe) { (void)probe; return probe_error; }
void synchronize_rcu_tasks(void) {}

int patch_pre_patch(void *object) { (void)object; return pre_patch_error; }
void patch_post_patch(void *object) { (void)object; }
void patch_pre_unpatch(void *object) { (void)object; }
void patch_post_unpatch(void *object) { (void)object; unpatched++; }

unsigned long replacement(long a, long b, long c, long d, long e, long f, long g, long h, long i)
{
	long args[] = { a, b, c, d, e, f, g, h, i };

	memcpy(replaced_with, args, sizeof(args));
	replaced_with[9] = __this_module.refcnt;
	return 42;
}
