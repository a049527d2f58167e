/* What the linker writes for each update, and what the files have of each other.
 * Every table ends with a row of zeros. layout.c tells the linker where members are. */
#ifndef UPDATE_H
#define UPDATE_H

#include "kernel.h"

extern const char module_name[];
extern struct klp_patch patch;

/* A check is a stretch of the running kernel that is compared before anything is
 * changed. */
struct check {
	const u8 *at;
	const u8 *want;
	const u8 *mask; /* bits that have to be as wanted */
	u64 size;
	const char *name; /* for the log */
};

extern const struct check checks[]; /* of the kernel itself */

/* compare returns the first row that does not hold, and the offset of the byte, or
 * NULL. */
const struct check *compare(const struct check *row, u64 *offset);

/* A copy is a stretch of memory to write, and what to write there. */
struct copy {
	void *to;
	const void *from;
	u64 size;
};

extern const struct copy copies[];   /* at load */
extern const struct copy writes[];   /* constants, once the transition is over */
extern const struct copy restores[]; /* and what they were */
void copy(const struct copy *row);
void copy_locked(const struct copy *table);
void copy_while_stopped(const struct copy *table);

/* A setting is a member of a variable. */
struct setting {
	void *at;
	const char *name;
	u64 old;
	u64 new;
	u8 size; /* 1, 2, 4 or 8 */
	u8 done; /* it holds the new value */
	u8 read_only;
};

extern struct setting initials[];
void set_rows(struct setting *s);
void unset_rows(struct setting *s);

/* A fixup is a field that depends on where a patched module is: value, plus one base,
 * minus another. */
struct fixup {
	void *at;
	u64 value;
	u8 plus;
	u8 minus;
	u8 size; /* 4 or 8; 0 ends the table */
	u8 text; /* memory that can't be written to */
};

enum base {
	BASE_ZERO,
	BASE_FIELD, /* the address of the field itself */
	BASE_MODULE, /* struct module */
	BASE_PART, /* the first part of the module's memory, and more behind; then what is imported */
};

/* An import is what a module exports that a patched module depends on. */
struct import {
	const char *name; /* NULL ends the table */
	const char *owner;
	u64 *value; /* the base */
	u32 crc;
	u8 has_crc;
};

struct exit_function;
struct jump;
struct range;

/* A target is a module that is patched. */
struct target {
	const char *name;
	u64 *bases;
	const s64 *parts; /* offset in struct module of the pointer to each part, or -1 */
	u64 part_count;
	const struct fixup *expected; /* fields of checks */
	const struct check *checks;
	const struct fixup *fixups; /* fields of the new code, or NULL, as what is behind it */
	struct exit_function *exit;
	const struct copy *saves; /* constants that are overwritten: what they were, */
	const struct copy *writes; /* what they get, */
	const struct copy *restores; /* and get back */
	struct setting *initials;
	const struct import *imports;
	struct jump *jumps;
	const struct range *jump_old; /* the code that these replace */
};

int find_imports(const struct target *target);
int prepare(const struct target *target, struct klp_object *object);
int jumps_pre_patch(const struct target *target, bool coming);
void jumps_post_unpatch(const struct target *target, bool there);

/* enable is one of these: livepatch takes the functions over, or the jumps alone do. */
int enable(void);
int enable_livepatch(void);
int enable_plain(void);

#define JUMP_SIZE 5
#define JMP_REL32 0xe9

/* A jump is one that takes a function over. Updates of other versions of this package
 * go over the rows, see STATE_VERSION: the layout must not change. */
struct jump {
	u8 *at;
	u8 expected[JUMP_SIZE];
	u8 unused;
	u8 lock; /* offset of a lock prefix in it and 1, or 0 */
	u8 ret;  /* of a return that the kernel has rewritten, likewise */
	void *to;
	const char *name;
	u8 bytes[8];  /* the jump */
	u8 before[8]; /* what was there */
	struct jump *earlier; /* of another update, whose place it takes, or NULL */
	u8 active;
	u8 mask[JUMP_SIZE]; /* bits of expected that have to be there */
};

/* A klp_state with this id ("gospjump") leads to the rows of an update. */
#define STATE_ID 0x706d756a70736f67
#define STATE_VERSION 1

/* A klp_state with this id ("gospmodj") is of an update that has jumps in modules. No
 * update takes the place of one: the kernel refuses those that have no such state. */
#define MODULE_STATE_ID 0x6a646f6d70736f67
#define MODULE_STATE_VERSION 1

/* An exit_function is the exit function of a module that is patched. Updates of other
 * versions of this package go over the rows, see EXIT_STATE_VERSION: the layout must not
 * change. */
struct exit_function {
	u64 old; /* what the module itself has */
	u64 new; /* 0 ends the table */
	const char *name; /* of the module */
	struct module *active; /* the module, while its exit function is the new one, or NULL */
	u8 held; /* a reference keeps the module from being removed */
	u8 runs; /* the module is being removed, and the new one may run */
	u8 unused[6];
};

/* A klp_state with this id ("gospexit") leads to them. */
#define EXIT_STATE_ID 0x7469786570736f67
#define EXIT_STATE_VERSION 1

extern struct exit_function exit_rows[];

int exit_pre_patch(struct exit_function *row, struct module *module);
void exit_post_patch(struct exit_function *row, struct module *module);
void exit_pre_unpatch(struct exit_function *row);
void exit_post_unpatch(struct exit_function *row, struct module *module);
u64 exit_of(const struct module *module, u64 own);
bool exit_hold(struct exit_function *row, struct module *module);
void exit_release(struct exit_function *row, struct module *module);

/* rows_behind goes over the updates that are active: those in livepatch's list
 * (kernel/livepatch/core.c), whose lock is held in callbacks. It returns the rows that a
 * state leads to in the next update that has one, and leaves l there; NULL at the end. */
void *rows_behind(struct list_head **l, u64 state_id);

extern struct jump jump_rows[];

enum work {
	WORK_APPLY,
	WORK_REVERT,
	WORK_PUT_BACK, /* revert the jumps of another update, whose code may be in use */
};

/* The state of the jumps. */
struct block {
	u32 arrived; /* processors */
	u32 done;
	enum work work;
	u32 applied;
	const char *name; /* what was in the way */
	char comm[TASK_COMM_LEN]; /* and the task that uses it */
	u32 pid;
	u32 stays; /* the module has to stay loaded */
	struct jump *rows; /* to write, or to revert */
	const struct range *old; /* the code that they replace, or NULL where nobody can be in it */
};

extern struct block jump_block;

int stop(enum work work);
/* say tells the log what was in the way. Formats take the module, what it was, the
 * task and its number. */
void say(const char *format);
void adopt_others(void);
void put_back_others(void);

/* undo_jumps puts back what the jumps have replaced. It returns -EINVAL when somebody has
 * changed one, and -EAGAIN while a later update stands over one: nothing is written then;
 * -EBUSY when it is done, and the new code is in use still. */
int undo_jumps(void);

/* An account is what updates for kernels without livepatch know of each other: a parameter
 * of the module with the name ACCOUNT, which nobody sees, leads to it. Updates of other
 * versions of this package read it: the layout must not change. */
struct account {
	struct jump *rows;
	const struct range *code; /* the new code, as in jump_new */
	struct module *module;
	u32 above; /* jumps of later updates that stand over those of this one */
	u32 unused;
};

#define ACCOUNT "gosplice_account"

extern struct account account;
extern struct account *jump_accounts[]; /* for each of jump_rows: whose jump it stands over */

void adopt_accounts(void);
int scan_others(void);
void leave_others(void);
bool covered(void);

/* A range is code that no stack may lead to. The first row of a table is a range
 * around all others. */
struct range {
	u64 start;
	u64 end;
	const char *name;
};

extern const struct range jump_old[]; /* the code that jumps replace */
extern const struct range jump_new[]; /* and the new code, also where there is no jump */

/* The size of a stack, and how much at its end the kernel itself does not use: the
 * registers of user mode, which can hold anything. */
extern const char stack_size[], stack_unused[];
#define STACK_SIZE ((u64)stack_size)
#define STACK_UNUSED ((u64)stack_unused)

/* scan returns -EBUSY when a stack leads to one of the ranges, and notes which, and -EINPROGRESS when
 * it has not looked at all: then look_on, and scan again in another stop. forget ends that. */
int scan(const struct range *table);
void begin_part(const struct range *table);
bool passes(const struct task_struct *task);
void passed(const struct task_struct *task, u64 words);
int end_part(void);
void look_on(void);
void forget(void);

/* words returns the range that a word between two places lies in, or NULL. */
const struct range *words(const struct range *table, const u64 *sp, const u64 *top);
/* elsewhere reports whether a task whose stack has words that lead to one of the ranges is surely
 * in none. */
bool elsewhere(const struct range *table, const struct task_struct *task);

/* The kprobes. Behind each stands the address of its stub. */
extern struct kprobe *probe_list[];
extern const char probe_count[];
#define PROBE_COUNT ((int)(u64)probe_count)

/* What is part of some updates only. Where it is not, the weak definition beside the
 * call does nothing. */
#define WEAK __attribute__((weak))
#define UNUSED __attribute__((unused))

void copy_at_load(void);
void write_constants(void);
void restore_constants(void);
void set_initials(void);
void unset_initials(void);
int add_probes(void);
void drop_probes(void);
void enable_probes(void);
void disable_probes(void);
void leave_probes(void);
void take_over_jumps(void);
void take_over_exits(void);
void leave_jumps(void);
int keep_module(int err);

/* The callbacks of the patch itself (Documentation/livepatch/callbacks.rst). */
int patch_pre_patch(struct klp_object *object);
void patch_post_patch(struct klp_object *object);
void patch_pre_unpatch(struct klp_object *object);
void patch_post_unpatch(struct klp_object *object);

#endif
