/* Does anybody use this code? All processors stand still while the stacks of all tasks
 * are looked at, word by word. */
#include "update.h"

struct block jump_block;

/* Of a kernel without a reliable unwinder. */
WEAK bool elsewhere(const struct range *table UNUSED, const struct task_struct *task UNUSED) { return 0; }

/* Of an update that looks at all tasks in one stop. */
WEAK void begin_part(const struct range *table UNUSED) {}
WEAK bool passes(const struct task_struct *task UNUSED) { return 0; }
WEAK void passed(const struct task_struct *task UNUSED, u64 words UNUSED) {}
WEAK int end_part(void) { return 0; }

/* words returns the range that a word of a stack lies in, or NULL. */
const struct range *words(const struct range *table, const u64 *sp, const u64 *top)
{
	const struct range *all = table, *r;

	for (; sp < top; sp++) {
		if (*sp < all->start || *sp >= all->end)
			continue;
		for (r = table + 1; r->start; r++)
			if (*sp >= r->start && *sp < r->end)
				return r;
	}
	return NULL;
}

/* own_stack looks at the stack that this runs on. */
static const struct range *own_stack(const struct range *table)
{
	const u64 *sp = stack_pointer();
	u64 end = ((u64)sp | (STACK_SIZE - 1)) + 1;

	return words(table, sp, (const u64 *)(end - STACK_UNUSED));
}

/* As much work as so many words: to unwind a stack. */
#define UNWINDING 2048

/* stack_of looks at a task's stack, from where it was switched out. Words that lead to a range may be
 * left of earlier calls. */
static const struct range *stack_of(const struct range *table, const struct task_struct *task)
{
	u64 stack = (u64)*task_struct_stack(task);
	u64 sp = *thread_struct_sp(task_struct_thread(task));
	u64 top = stack + STACK_SIZE - STACK_UNUSED;
	const struct range *r;

	if (!stack)
		return NULL; /* of a task that is no more */
	if (sp - stack >= STACK_SIZE)
		sp = stack; /* should never be: all of it */
	r = words(table, (const u64 *)sp, (const u64 *)top);
	if (r && !elsewhere(table, task))
		return r;
	passed(task, (top - sp) / sizeof(u64) + (r ? UNWINDING : 0));
	return NULL;
}

/* blame notes what is in the way, and the task, if it is one of a list. */
static int blame(const struct range *r, const struct task_struct *task)
{
	jump_block.name = r->name;
	__builtin_memset(jump_block.comm, 0, TASK_COMM_LEN);
	jump_block.pid = 0;
	if (task) {
		__builtin_memcpy(jump_block.comm, task_struct_comm(task), TASK_COMM_LEN);
		jump_block.pid = *task_struct_pid(task);
	}
	return -EBUSY;
}

/* threads looks at all threads of a process. */
static int threads(const struct range *table, const struct task_struct *leader)
{
	struct list_head *head = signal_struct_thread_head(*task_struct_signal(leader));

	for (struct list_head *l = head->next; l != head; l = l->next) {
		struct task_struct *task = (void *)((u64)l - KERNEL_OFFSET(task_struct, thread_node));
		const struct range *r = passes(task) ? NULL : stack_of(table, task);

		if (r)
			return blame(r, task);
	}
	return 0;
}

/* idle_tasks looks at those that are in no list: one for each processor. */
static int idle_tasks(const struct range *table)
{
	for (u64 cpu = 0; cpu < nr_cpu_ids; cpu++) {
		const struct task_struct *task;
		const struct range *r;

		if (!(__cpu_possible_mask[cpu / 64] >> cpu % 64 & 1))
			continue;
		task = *(struct task_struct **)((u64)&idle_threads + __per_cpu_offset[cpu]);
		if (!task || passes(task))
			continue;
		r = stack_of(table, task);
		if (r)
			return blame(r, task);
	}
	return 0;
}

int scan(const struct range *table)
{
	const struct range *r = own_stack(table);
	const struct task_struct *leader = &init_task;
	int err;

	if (r)
		return blame(r, NULL);
	begin_part(table);
	do {
		err = threads(table, leader);
		if (err)
			return err;
		leader = (void *)((u64)task_struct_tasks(leader)->next - KERNEL_OFFSET(task_struct, tasks));
	} while (leader != &init_task);
	err = idle_tasks(table);
	return err ? err : end_part();
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
void say(const char *format)
{
	_printk(format, module_name, jump_block.name, jump_block.comm, jump_block.pid);
}
#pragma GCC diagnostic pop
