/* The kernel that is made up in kernel.c. The members are where that says they are. */
#include <stddef.h>

#define STACK 65536

struct kernel_param { const char *name; long more; void *arg; };
struct module { void *base; unsigned refcnt; char klp_alive, going; unsigned long exit; int users; char name[16]; unsigned long taints; struct kernel_param *kp; unsigned num_kp; };
struct kernel_symbol { int first, value_offset; };
struct find_symbol_arg { char gplok; const char *name; struct module *owner; unsigned *crc; struct kernel_symbol *sym; };
struct exported { const char *name; struct module *owner; unsigned *crc; struct kernel_symbol sym; int value; };
struct list_head { struct list_head *next; };
struct signal_struct { long first; struct list_head threads; };
struct task_struct {
	long first;
	char *stack;
	struct list_head tasks;
	struct list_head node;
	struct signal_struct *signal;
	unsigned long sp;
	char comm[16];
	unsigned pid;
	unsigned long start, waited, preempted;
};
struct klp_state { unsigned long id; long version; void *data; };
struct klp_patch { long first; struct klp_state *states; struct list_head list; struct module *mod; };
struct klp_object { long first; struct module *mod; };
struct kprobe { long first; void *addr; long more; void *stub; };
struct pt_regs { long more[2]; unsigned long ip; };

extern struct module __this_module;
extern struct task_struct init_task, *idle_threads, *idle_2;
extern struct signal_struct init_signal;
extern struct list_head klp_patches;
extern struct module *module_there; /* what has code at that address, */
extern void *code_there;
extern unsigned long __per_cpu_offset[3];
extern void *volatile on_stopper;
extern char printed[4096];
extern int slept, refs, other_refs, pokes, locked, searching, held, stopped, unpatched;
extern struct exported exported; /* what another module exports */
extern int enable_error, register_error, probe_error, pre_patch_error;
extern void (*while_asleep)(void);
extern void (*while_running)(int part); /* between two stops of the machine */
extern int no_memory, allocated;
extern unsigned long unwound[2];
extern int depth;
extern unsigned long replaced_with[10];
