/* Has the code that goes into modules work in a program, case by case. */
#include "kernel.h"

#include <stdio.h>
#include <string.h>

typedef unsigned char u8;

/* What the linker writes for an update, as src/update.h has it. */
struct check { const void *at, *want, *mask; size_t size; const char *name; };
struct copy { void *to; const void *from; size_t size; };
struct setting { void *at; const char *name; unsigned long old, new; u8 size, done, read_only; };
struct fixup { void *at; unsigned long value; u8 plus, minus, size, text; };
struct target { const char *name; unsigned long *bases; const long *parts; size_t part_count; struct fixup *expected; struct check *checks; struct fixup *fixups; struct exit_function *exit; struct copy *saves, *writes, *restores; struct setting *initials; struct import *imports; struct jump *jumps; struct range *jump_old; };
struct import { const char *name, *owner; unsigned long *value; unsigned crc; u8 has_crc; };
struct jump { u8 *at, expected[5], unused, lock, ret; void *to; const char *name; u8 bytes[8], before[8]; struct jump *earlier; u8 active, mask[5]; };
struct exit_function { unsigned long old, new; const char *name; struct module *active; u8 held, runs, unused[6]; };
struct range { unsigned long start, end; const char *name; };
struct block { unsigned arrived, done, work, applied; const char *name; char comm[16]; unsigned pid, stays; struct jump *rows; const struct range *old; };

struct account { struct jump *rows; const struct range *code; struct module *module; unsigned above, unused; };

const char module_name[] = "fix";
char patch[64];
struct check checks[3];
struct copy copies[2], writes[2], restores[2];
struct setting initials[6];
struct jump jump_rows[3];
struct range jump_old[3], jump_new[3];
struct kprobe probes[2], *probe_list[] = { &probes[0], &probes[1], NULL };
struct account account = { jump_rows, jump_new, &__this_module, 0, 0 }, *jump_accounts[3];
struct target target;
struct exit_function exit_rows[2];
extern struct block jump_block;

int init_module(void), enable_livepatch(void), enable_plain(void), set_enabled(const char *, void *), get_enabled(char *, void *);
void adopt_accounts(void), leave_others(void);
int undo_jumps(void);
static int plain; /* what enable is */
int enable(void) { return plain ? enable_plain() : enable_livepatch(); }
void cleanup_module(void);
int jump_pre(void *), target_pre_patch(struct klp_object *), probe_handler(struct kprobe *, struct pt_regs *);
void jump_post(void *), post_patch(void *), pre_unpatch(void *), leave_jumps(void), adopt_others(void), take_over_jumps(void);
int exits_pre_patch(void *);
void target_post_patch(struct klp_object *), target_pre_unpatch(struct klp_object *), target_post_unpatch(struct klp_object *);
void take_over_exits(void), exits_post_unpatch(void *);
void set_initials(void), unset_initials(void), enable_probes(void), copy_at_load(void), write_constants(void), restore_constants(void);
unsigned long probe_stub(long, long, long, long, long, long, long, long, long);

static int failed;

#define CHECK(condition) \
	do { if (!(condition)) { failed = 1; printf("FAIL %s:%d: %s; the log has %s\n", __func__, __LINE__, #condition, printed); } } while (0)
#define SAID(text) (strstr(printed, text) != NULL)

static u8 text[2][64]; /* the functions that jumps replace */
static u8 fresh[64];   /* the new ones */
static char stacks[2][STACK];
static struct task_struct worker;

static void begin(void)
{
	static const u8 code[2][8] = { { 0x55, 0x48, 0x89, 0xe5, 0x53, 0xc3 }, { 0xf0, 0xff, 0x07, 0x31, 0xc0, 0xc3 } };

	memset(printed, 0, sizeof(printed));
	memset(&jump_block, 0, sizeof(jump_block));
	memset(jump_rows, 0, sizeof(jump_rows));
	memset(stacks, 0, sizeof(stacks));
	memset(&__this_module, 0, sizeof(__this_module));
	memset(exit_rows, 0, sizeof(exit_rows));
	target = (struct target){ 0 };
	memset(patch, 0, sizeof(patch));
	account.above = plain = 0;
	memset(jump_accounts, 0, sizeof(jump_accounts));
	code_there = module_there = NULL;
	slept = refs = other_refs = pokes = stopped = unpatched = enable_error = register_error = probe_error = pre_patch_error = 0;
	for (int i = 0; i < 2; i++) {
		memcpy(text[i], code[i], 8);
		jump_rows[i] = (struct jump){ .at = text[i], .to = fresh + 16 * i, .name = i ? "second" : "first", .mask = { 255, 255, 255, 255, 255 } };
		memcpy(jump_rows[i].expected, code[i], 5);
	}
	jump_old[0] = (struct range){ (unsigned long)text, (unsigned long)(text + 2), NULL };
	jump_old[1] = (struct range){ (unsigned long)text[1], (unsigned long)text[1] + 6, "second" };
	jump_new[0] = jump_new[1] = (struct range){ (unsigned long)fresh, (unsigned long)fresh + 64, "its new code" };
	init_signal.threads.next = &init_task.node;
	init_task = (struct task_struct){ .tasks = { &init_task.tasks }, .node = { &worker.node }, .signal = &init_signal, .comm = "init" };
	worker = (struct task_struct){ .node = { &init_signal.threads }, .stack = stacks[0], .sp = (unsigned long)stacks[0] + 4096, .comm = "a worker", .pid = 77 };
	idle_threads = NULL;
	idle_2 = NULL;
	__per_cpu_offset[2] = (char *)&idle_2 - (char *)&idle_threads;
	klp_patches.next = &klp_patches;
}

static void put(char *stack, unsigned long off, void *word) { memcpy(stack + off, &word, sizeof(word)); }
static int is_jump(int i) { int d = (int)(jump_rows[i].to - (void *)text[i] - 5); return text[i][0] == 0xe9 && !memcmp(text[i] + 1, &d, 4); }

static void jumps(void)
{
	begin();
	CHECK(jump_pre(NULL) == 0 && is_jump(0) && is_jump(1) && jump_block.applied && stopped == 1 && pokes == 2);
	jump_post(NULL);
	CHECK(text[0][0] == 0x55 && text[1][0] == 0xf0 && !jump_block.applied && unpatched == 1 && !refs);
	begin();
	text[1][4] ^= 1;
	CHECK(jump_pre(NULL) == -22 && !pokes && SAID("\0013fix: second is not what this update was made for; nothing was patched\n") && unpatched == 1);
	jump_rows[1].mask[4] = 0;
	CHECK(jump_pre(NULL) == 0);
	begin();
	pre_patch_error = -5;
	CHECK(jump_pre(NULL) == -5 && !stopped && !unpatched);
}

static void prefixes(void)
{
	begin(); /* a lock that was left out comes back */
	text[1][0] = 0x3e;
	jump_rows[1].lock = 1;
	CHECK(jump_pre(NULL) == 0 && is_jump(1));
	jump_post(NULL);
	CHECK(text[1][0] == 0xf0);
	begin(); /* a jump that looks like one that was left out */
	jump_rows[1].lock = 2;
	jump_rows[1].to = text[1] + 5 + 0x3e;
	CHECK(jump_pre(NULL) == -22 && !pokes);
	begin(); /* a return that was rewritten, and one that something traps */
	jump_rows[0].ret = 3;
	jump_rows[0].mask[2] = 0;
	text[0][2] = 0xc3;
	CHECK(jump_pre(NULL) == 0);
	begin();
	jump_rows[0].ret = 3;
	jump_rows[0].mask[2] = 0;
	text[0][2] = 0xcc;
	CHECK(jump_pre(NULL) == -22 && !pokes);
}

static void in_the_way(void)
{
	begin();
	put(stacks[0], 4096, text[1] + 5);
	CHECK(jump_pre(NULL) == -16 && !pokes && stopped == 30 && slept == 2900);
	CHECK(SAID("fix: second is in use by a worker (77); nothing was patched\n"));
	put(stacks[0], 4096, text[1] + 6); /* behind it */
	put(stacks[0], 4088, text[1]);     /* below the stack pointer */
	put(stacks[0], STACK - 64, text[1]); /* the registers of user mode */
	CHECK(jump_pre(NULL) == 0);
	begin();
	worker.sp = 8; /* should never be */
	put(stacks[0], STACK - 72, text[1]);
	CHECK(jump_pre(NULL) == -16);
	worker.stack = NULL; /* it ends */
	CHECK(jump_pre(NULL) == 0);
	begin();
	idle_2 = &(struct task_struct){ .stack = stacks[1], .sp = (unsigned long)stacks[1] + 4096, .comm = "swapper/2" };
	put(stacks[1], 8192, text[1]);
	CHECK(jump_pre(NULL) == -16 && SAID("swapper/2 (0)"));
}

static void own_stack(void)
{
	begin();
	on_stopper = text[1];
	CHECK(jump_pre(NULL) == -16 && SAID("second is in use by  (0)"));
	on_stopper = NULL;
	CHECK(jump_pre(NULL) == 0);
}

static void stays(void)
{
	begin();
	CHECK(jump_pre(NULL) == 0);
	put(stacks[0], 4096, fresh + 3);
	jump_post(NULL);
	CHECK(refs == 1 && jump_block.stays && text[0][0] == 0x55 && SAID("\0014fix: its new code is in use by a worker (77); this module has to stay loaded\n"));
	enable_error = -16;
	CHECK(init_module() == 0); /* although livepatch failed */
	begin();
	CHECK(jump_pre(NULL) == 0);
	text[0][1] ^= 1;
	jump_post(NULL);
	CHECK(refs == 1 && is_jump(1) && jump_block.applied && SAID("\0013fix: somebody else has changed first; it stays as it is, and so does this module\n"));
	text[0][1] ^= 1;
	cleanup_module();
	CHECK(!jump_block.applied || text[0][0] == 0x55);
}

static void replaces(void)
{
	static struct jump theirs[3];
	static u8 left[8];
	struct klp_state states[] = { { 7, 0, NULL }, { 0x706d756a70736f67, 1, theirs }, { 0, 0, NULL } };
	struct klp_state ours[] = { { 0x706d756a70736f67, 1, jump_rows }, { 0, 0, NULL } };
	struct klp_patch other = { .states = states }, this = { .states = ours }, none = { 0 };

	begin();
	klp_patches.next = &none.list;
	none.list.next = &this.list;
	this.list.next = &other.list;
	other.list.next = &klp_patches;
	theirs[0] = (struct jump){ .at = text[0], .bytes = { 0xe9, 1, 2, 3, 4 }, .before = { 0x55, 0x48, 0x89, 0xe5, 0x53 }, .active = 1, .name = "first" };
	theirs[1] = (struct jump){ .at = left, .bytes = { 0xe9, 5, 6, 7, 8 }, .before = { 1, 2, 3, 4, 5 }, .active = 1, .name = "left" };
	memcpy(text[0], theirs[0].bytes, 5);
	memcpy(left, theirs[1].bytes, 5);
	CHECK(jump_pre(NULL) == 0 && is_jump(0) && !theirs[0].active && theirs[1].active && jump_rows[0].earlier == theirs);
	jump_post(NULL); /* given up: back to theirs */
	CHECK(!memcmp(text[0], theirs[0].bytes, 5) && theirs[0].active);
	CHECK(jump_pre(NULL) == 0);
	post_patch(NULL);
	CHECK(!memcmp(left, theirs[1].before, 5) && !theirs[1].active && !jump_rows[0].earlier);
	jump_post(NULL);
	CHECK(text[0][0] == 0x55 && !memcmp(text[0], theirs[0].before, 5));
	begin();
	klp_patches.next = &other.list;
	other.list.next = &klp_patches;
	theirs[0].active = 0;
	theirs[1].active = 1;
	left[2] ^= 1;
	take_over_jumps();
	CHECK(other_refs == 1 && SAID("fix: somebody else has changed left, which an earlier update had changed; it stays as it is, and so does that update\n"));
}

/* Without livepatch: the module is held while the update is in effect. */
static void alone(void)
{
	char shown[8];

	begin();
	plain = 1;
	CHECK(set_enabled("0", NULL) == -22 && set_enabled("1", NULL) == 0 && get_enabled(shown, NULL) == 2 && !strcmp(shown, "0\n"));
	text[1][4] ^= 1;
	CHECK(init_module() == -22 && !refs && !pokes);
	text[1][4] ^= 1;
	CHECK(init_module() == 0 && is_jump(0) && refs == 1 && get_enabled(shown, NULL) == 2 && !strcmp(shown, "1\n"));
	CHECK(set_enabled("2", NULL) == -22 && set_enabled("01", NULL) == -22 && set_enabled("", NULL) == -22 && set_enabled("1\n", NULL) == 0 && is_jump(1));
	text[0][1] ^= 1;
	CHECK(set_enabled("0\n", NULL) == -22 && is_jump(1) && !__this_module.users && SAID("\0013fix: somebody else has changed first; this update stays in effect\n"));
	text[0][1] ^= 1;
	account.above = 1;
	CHECK(set_enabled("0", NULL) == -16 && is_jump(0) && SAID("\0013fix: a later update replaces a function of this one again; disable that first\n"));
	account.above = 0;
	put(stacks[0], 4096, fresh + 3);
	CHECK(set_enabled("0", NULL) == -16 && text[0][0] == 0x55 && !__this_module.users && get_enabled(shown, NULL) == 2 && !strcmp(shown, "0\n"));
	CHECK(SAID("\0014fix: disabled, but its new code is in use by a worker (77); disable it again before this module can be removed\n"));
	CHECK(set_enabled("1", NULL) == -22);
	put(stacks[0], 4096, NULL);
	CHECK(set_enabled("0", NULL) == 0 && __this_module.users == -1 && !jump_block.applied);
	CHECK(set_enabled("0", NULL) == 0 && __this_module.users == -1 && set_enabled("1", NULL) == -22);
	cleanup_module();
	CHECK(text[0][0] == 0x55 && text[1][0] == 0xf0);
}

/* One update stands over another. */
static void stacked(void)
{
	static struct jump rows[2];
	static u8 lower[64];
	static struct range code[3];
	static struct module other, stranger;
	struct account theirs = { rows, code, &other, 0, 0 };
	struct kernel_param params[] = { { "enabled", 0, NULL }, { "gosplice_account", 0, &theirs } }, none[] = { { "gosplice", 0, NULL } };
	int distance = (int)(lower - text[0] - 5);

	begin();
	other = (struct module){ .kp = params, .num_kp = 2 };
	stranger = (struct module){ .kp = none, .num_kp = 1 };
	code[0] = code[1] = (struct range){ (unsigned long)lower, (unsigned long)lower + 64, "earlier code" };
	rows[0] = (struct jump){ .at = text[0], .to = lower, .bytes = { 0xe9 }, .before = { 0x55, 0x48, 0x89, 0xe5, 0x53 }, .active = 1, .name = "first" };
	memcpy(rows[0].bytes + 1, &distance, 4);
	memcpy(text[0], rows[0].bytes, 5);
	code_there = lower;
	module_there = &stranger; /* a jump of somebody else's */
	adopt_accounts();
	CHECK(!jump_rows[0].earlier && !searching && jump_pre(NULL) == -22);
	module_there = &other;
	other.going = 1;
	adopt_accounts();
	CHECK(!jump_rows[0].earlier && !theirs.above);
	other.going = 0;
	adopt_accounts();
	CHECK(jump_rows[0].earlier == rows && jump_accounts[0] == &theirs && !jump_accounts[1] && theirs.above == 1 && other.users == 1);
	put(stacks[0], 4096, lower + 8); /* somebody runs what is replaced again: nothing is written, and it is let go */
	CHECK(jump_pre(NULL) == -16 && SAID("earlier code is in use by a worker (77); nothing was patched") && !theirs.above && !other.users && !jump_rows[0].earlier);
	put(stacks[0], 4096, NULL);
	adopt_accounts();
	CHECK(jump_pre(NULL) == 0 && is_jump(0) && is_jump(1) && !rows[0].active && theirs.above == 1 && other.users == 1);
	CHECK(undo_jumps() == 0 && !memcmp(text[0], rows[0].bytes, 5) && rows[0].active && theirs.above == 1);
	leave_others();
	CHECK(rows[0].active && text[1][0] == 0xf0 && !theirs.above && !other.users);
	begin(); /* it is undone in between */
	memcpy(text[0], rows[0].bytes, 5);
	code_there = lower;
	module_there = &other;
	adopt_accounts();
	memcpy(text[0], rows[0].before, 5);
	CHECK(jump_pre(NULL) == -22 && !pokes && !theirs.above && !other.users);
}

#define EXIT_STATE 0x7469786570736f67

/* A module with one exit function of its own (10), of this update (20), and of another. */
static struct module left;
static struct klp_object leaving = { .mod = &left };
static struct klp_state our_exits[] = { { EXIT_STATE, 1, exit_rows }, { 0, 0, NULL } };
static struct klp_patch this_exits = { .states = our_exits };
static struct exit_function their_rows[2];
static struct klp_state their_exits[] = { { EXIT_STATE, 1, their_rows }, { 0, 0, NULL } };
static struct module their_module;
static struct klp_patch others_exits = { .states = their_exits, .mod = &their_module };

static void begin_exits(void)
{
	static const long parts[] = { -1 };
	static unsigned long bases[4];
	static struct fixup none;
	static struct check nothing;

	begin();
	left = (struct module){ .klp_alive = 1, .exit = 10 };
	target = (struct target){ .name = "left", .bases = bases, .parts = parts, .part_count = 1, .expected = &none, .checks = &nothing, .exit = exit_rows };
	exit_rows[0] = (struct exit_function){ 10, 20, "left", NULL, 0, 0, { 0 } };
	their_rows[0] = (struct exit_function){ 10, 30, "left", NULL, 0, 0, { 0 } };
	klp_patches.next = &this_exits.list;
	this_exits.list.next = &klp_patches;
}

static void exits(void)
{
	begin_exits();
	CHECK(target_pre_patch(&leaving) == 0 && left.users == 1 && left.exit == 10);
	target_post_patch(&leaving);
	CHECK(left.exit == 20 && !left.users && exit_rows[0].active == &left);
	target_pre_unpatch(&leaving);
	CHECK(left.exit == 10 && left.users == 1);
	target_post_patch(&leaving); /* the end was given up */
	CHECK(left.exit == 20 && !left.users);
	target_pre_unpatch(&leaving);
	target_post_unpatch(&leaving);
	CHECK(left.exit == 10 && !left.users && !refs && !exit_rows[0].active && unpatched == 1);
	CHECK(target_pre_patch(&leaving) == 0); /* and the start */
	target_post_unpatch(&leaving);
	CHECK(left.exit == 10 && !left.users);
	left.exit = 11;
	CHECK(target_pre_patch(&leaving) == -22 && !left.users);
	CHECK(SAID("\0013fix: the exit function of left is not what this update was made for; it is not patched\n"));
	left = (struct module){ .klp_alive = 1, .exit = 10, .going = 1 };
	CHECK(target_pre_patch(&leaving) == -16 && SAID("\0013fix: left is being removed; it is not patched\n"));
	left.going = 0;
	pre_patch_error = -5;
	CHECK(target_pre_patch(&leaving) == -5 && !left.users);
}

static void exits_of_modules_that_go(void)
{
	begin_exits();
	target_pre_patch(&leaving);
	target_post_patch(&leaving);
	left.going = 1; /* its exit function has run, and livepatch is told */
	left.klp_alive = 0;
	target_pre_unpatch(&leaving);
	target_post_unpatch(&leaving);
	CHECK(!exit_rows[0].active && !refs && !left.users && !printed[0]);
	begin_exits();
	target_pre_patch(&leaving);
	target_post_patch(&leaving);
	left.going = 1; /* its exit function runs while the update is disabled */
	target_pre_unpatch(&leaving);
	CHECK(left.exit == 20);
	target_post_unpatch(&leaving);
	CHECK(refs == 1 && !left.users && SAID("\0014fix: left is being removed by the new code; this module has to stay loaded\n"));
	begin_exits();
	target_pre_patch(&leaving);
	target_post_patch(&leaving);
	left.going = 1; /* and has run before that is over */
	target_pre_unpatch(&leaving);
	left.klp_alive = 0;
	target_post_unpatch(&leaving);
	CHECK(!refs && !left.users);
}

static void exits_of_two(void)
{
	begin_exits();
	klp_patches.next = &others_exits.list; /* this one comes later */
	others_exits.list.next = &this_exits.list;
	their_rows[0].active = &left;
	left.exit = 30;
	CHECK(target_pre_patch(&leaving) == 0);
	target_post_patch(&leaving);
	CHECK(left.exit == 20);
	target_pre_unpatch(&leaving);
	target_post_unpatch(&leaving);
	CHECK(left.exit == 30);
	begin_exits();
	klp_patches.next = &this_exits.list; /* this one was there before */
	this_exits.list.next = &others_exits.list;
	others_exits.list.next = &klp_patches;
	exit_rows[0].active = their_rows[0].active = &left;
	left.exit = 30;
	target_pre_unpatch(&leaving);
	target_post_unpatch(&leaving);
	CHECK(left.exit == 30);
}

static void exits_replaced(void)
{
	begin_exits();
	klp_patches.next = &others_exits.list;
	others_exits.list.next = &this_exits.list;
	their_rows[0].active = &left;
	left.exit = 30;
	CHECK(exits_pre_patch(NULL) == 0 && left.users == 1);
	exits_post_unpatch(NULL); /* given up */
	CHECK(!left.users && left.exit == 30);
	CHECK(exits_pre_patch(NULL) == 0 && target_pre_patch(&leaving) == 0 && left.users == 2);
	take_over_exits();
	CHECK(left.users == 1 && left.exit == 10 && !their_rows[0].active);
	target_post_patch(&leaving);
	CHECK(!left.users && left.exit == 20);
	begin_exits();
	klp_patches.next = &others_exits.list;
	others_exits.list.next = &this_exits.list;
	their_rows[0].active = &left;
	left.exit = 30;
	left.going = 1;
	CHECK(exits_pre_patch(NULL) == -16 && SAID("\0013fix: left is being removed; nothing was patched\n"));
	take_over_exits(); /* it came and goes within the transition */
	CHECK(other_refs == 1 && left.exit == 30 && !left.users && SAID("\0014fix: left is being removed by the code of an earlier update, which has to stay loaded\n"));
	left.going = 0;
	pre_patch_error = -5;
	their_rows[0].active = &left;
	CHECK(exits_pre_patch(NULL) == -5 && !left.users);
}

static void settings(void)
{
	u8 byte = 1;
	unsigned short word = 2;
	unsigned half = 3;
	unsigned long whole = 4, read_only = 5, other[] = { 6 };

	begin();
	initials[0] = (struct setting){ &byte, "byte", 1, 11, 1, 0, 0 };
	initials[1] = (struct setting){ &word, "word", 2, 12, 2, 0, 0 };
	initials[2] = (struct setting){ &half, "half", 3, 13, 4, 0, 0 };
	initials[3] = (struct setting){ &whole, "whole", 4, 14, 8, 0, 0 };
	initials[4] = (struct setting){ &read_only, "read_only", 5, 15, 8, 0, 1 };
	set_initials();
	CHECK(byte == 11 && word == 12 && half == 13 && whole == 14 && read_only == 15 && pokes == 1);
	CHECK(SAID("\0015fix: whole had its old initial value, and has the new one now\n"));
	whole = 99;
	unset_initials();
	CHECK(byte == 1 && word == 2 && half == 3 && whole == 99 && read_only == 5);
	CHECK(SAID("fix: byte has its old initial value again\n") && SAID("fix: whole was changed since it was set, and is left alone\n"));
	initials[0] = (struct setting){ other, "other", 7, 8, 8, 0, 0 };
	initials[1].at = NULL;
	printed[0] = 0;
	set_initials();
	unset_initials();
	CHECK(other[0] == 6 && !strcmp(printed, "\0015fix: other holds another value than its old initial one, and is left alone\n"));
}

static void start(void)
{
	static const u8 is[] = { 1, 2, 3, 4 }, want[] = { 1, 2, 7, 4 }, mask[] = { 255, 255, 0, 255 }, all[] = { 255, 255, 4, 255 };
	u8 saved = 0;

	begin();
	checks[0] = (struct check){ is, want, mask, 4, "f" };
	copies[0] = (struct copy){ &saved, is + 2, 1 };
	CHECK(init_module() == 0 && saved == 3);
	register_error = -95;
	CHECK(init_module() == -95 && !unpatched);
	register_error = 0;
	enable_error = -22;
	CHECK(init_module() == -22 && unpatched == 2);
	checks[1] = (struct check){ is, want, all, 4, "g" };
	saved = 0;
	CHECK(init_module() == -22 && !saved && SAID("\0013fix: g+0x2 is not what this update was made for; nothing was patched\n"));
	checks[1].at = NULL;
}

static void constants(void)
{
	u8 at[] = { 1, 2 }, fresh[] = { 3, 4 }, old[] = { 1, 2 };

	begin();
	writes[0] = (struct copy){ at, fresh, 2 };
	restores[0] = (struct copy){ at, old, 2 };
	write_constants();
	CHECK(at[0] == 3 && at[1] == 4 && stopped == 1 && !locked && !held);
	restore_constants();
	CHECK(at[0] == 1 && at[1] == 2 && stopped == 2);
}

static void modules(void)
{
	static unsigned long bases[5];
	static const long parts[] = { 0, -1 };
	static u8 code[16], all[16] = { 255, 255, 255, 255 };
	static struct fixup expected[2], fixups[3];
	static struct check rows[2];
	struct { void *base; } mod = { code };
	struct klp_object object = { .mod = (void *)&mod };
	unsigned field = 0, relative = 0;

	begin();
	target = (struct target){ .name = "loop", .bases = bases, .parts = parts, .part_count = 2, .expected = expected, .checks = rows, .fixups = fixups };
	expected[0] = (struct fixup){ &rows[0].at, 4, 3, 0, 8, 0 };
	rows[0] = (struct check){ NULL, "abcd", all, 4, "lo_open" };
	fixups[0] = (struct fixup){ &field, 0x10, 3, 0, 4, 0 };
	fixups[1] = (struct fixup){ &relative, 0, 3, 1, 4, 1 };
	memcpy(code + 4, "abcd", 4);
	CHECK(target_pre_patch(&object) == 0 && bases[2] == (unsigned long)&mod && bases[3] == (unsigned long)code && !bases[4]);
	CHECK(field == (unsigned)(unsigned long)code + 16 && relative == (unsigned)((unsigned long)code - (unsigned long)&relative) && pokes == 1);
	code[6] = 'x';
	field = 0;
	CHECK(target_pre_patch(&object) == -22 && !field && SAID("\0013fix: lo_open+0x2 in loop is not what this update was made for; it is not patched\n"));
}

/* Exports of modules that a target depends on are found before fields are filled in. */
static void imported(void)
{
	static unsigned long bases[5];
	static const long parts[] = { 0 };
	static struct fixup expected[1], fixups[2];
	static struct check rows[1];
	static struct import imports[2];
	static struct module garp = { .name = "garp" }, other = { .name = "garp_too" };
	static unsigned version = 0x80000001;
	struct { void *base; } mod = { &bases };
	struct klp_object object = { .mod = (void *)&mod };
	unsigned long field = 0;

	begin();
	exported = (struct exported){ "garp_request", &garp, &version, { 0, 0 }, 0 };
	exported.sym.value_offset = (char *)&exported.value - (char *)&exported.sym.value_offset;
	imports[0] = (struct import){ "garp_request", "garp", &bases[4], version, 1 };
	fixups[0] = (struct fixup){ &field, 2, 4, 0, 8, 0 };
	target = (struct target){ .name = "vlan", .bases = bases, .parts = parts, .part_count = 1, .expected = expected, .checks = rows, .fixups = fixups, .imports = imports };
	CHECK(target_pre_patch(&object) == 0 && field == (unsigned long)&exported.value + 2 && !searching);
	exported.crc = NULL; /* a module without versions */
	field = 0;
	CHECK(target_pre_patch(&object) == 0 && field);
	exported.crc = &version;
	field = 0;
	imports[0].crc = 1;
	CHECK(target_pre_patch(&object) == -22 && SAID("\0013fix: garp_request of garp: its version (CRC) is another one; vlan is not patched\n"));
	imports[0].has_crc = 0;
	exported.owner = &other;
	CHECK(target_pre_patch(&object) == -22 && SAID("garp_request of garp: it is not of that module;"));
	exported.owner = NULL;
	CHECK(target_pre_patch(&object) == -22);
	exported.owner = &garp;
	garp.taints = 1;
	CHECK(target_pre_patch(&object) == -22 && SAID("garp_request of garp: that module is proprietary;"));
	garp.taints = 0;
	exported.name = "something";
	CHECK(target_pre_patch(&object) == -22 && SAID("garp_request of garp: it is not exported;") && !field && !searching);
}

static void data_of_modules(void)
{
	static u8 at[] = { 1, 2 }, fresh_data[] = { 3, 4 }, kept[2];
	static struct copy saves[2] = { { kept, at, 2 } }, writes[2] = { { at, fresh_data, 2 } }, restores[2] = { { at, kept, 2 } };
	static unsigned word = 5;
	static struct setting rows[2] = { { &word, "word", 5, 6, 4, 0, 0 } };

	begin_exits();
	target.exit = NULL;
	target.saves = saves;
	target.writes = writes;
	target.restores = restores;
	target.initials = rows;
	CHECK(target_pre_patch(&leaving) == 0 && kept[1] == 2 && at[1] == 2 && word == 5);
	target_post_patch(&leaving);
	CHECK(at[0] == 3 && at[1] == 4 && word == 6 && stopped == 1 && !locked && !held);
	target_pre_unpatch(&leaving);
	target_post_unpatch(&leaving);
	CHECK(at[0] == 1 && at[1] == 2 && word == 5 && stopped == 2);
	CHECK(target_pre_patch(&leaving) == 0);
	target_post_patch(&leaving);
	left.klp_alive = 0; /* the module goes */
	target_pre_unpatch(&leaving);
	CHECK(at[0] == 3 && word == 6 && stopped == 3);
	word = 7; /* and comes again, with another value */
	left.klp_alive = 1;
	target_post_patch(&leaving);
	target_pre_unpatch(&leaving);
	CHECK(word == 7);
}

/* Jumps in a module: put back while it stays, forgotten where it goes, and written without a
 * look at stacks where it comes. */
static void jumps_of_modules(void)
{
	static struct jump rows[3];
	static struct range old[3];
	char *enabled = patch + 32;

	begin_exits();
	memcpy(rows, jump_rows, sizeof(rows));
	memcpy(old, jump_old, sizeof(old));
	memset(jump_rows, 0, sizeof(jump_rows));
	memset(jump_old, 0, sizeof(jump_old));
	target.exit = NULL;
	target.jumps = rows;
	target.jump_old = old;
	CHECK(target_pre_patch(&leaving) == 0 && rows[0].active && rows[1].active && text[0][0] == 0xe9 && pokes == 2 && stopped == 1);
	target_post_patch(&leaving);
	target_pre_unpatch(&leaving);
	target_post_unpatch(&leaving);
	CHECK(!rows[0].active && text[0][0] == 0x55 && text[1][0] == 0xf0 && pokes == 4 && stopped == 2 && !refs);
	put(stacks[0], 4096 + 64, text[1] + 2);
	CHECK(target_pre_patch(&leaving) == -16 && !rows[0].active && SAID("\0013fix: second is in use by a worker (77); nothing was patched\n"));
	stopped = 0;
	*enabled = 1; /* it comes: what a stack has there is not of this module */
	CHECK(target_pre_patch(&leaving) == 0 && rows[1].active && stopped == 1);
	left.klp_alive = 0;
	target_post_unpatch(&leaving);
	CHECK(!rows[0].active && !rows[1].active && text[0][0] == 0xe9 && stopped == 1 && !refs);
	begin_exits();
	target.exit = NULL;
	target.jumps = rows;
	target.jump_old = old;
	*enabled = 1;
	CHECK(target_pre_patch(&leaving) == 0 && rows[0].active);
	*enabled = 0;
	put(stacks[0], 4096 + 64, fresh + 20);
	target_post_unpatch(&leaving);
	CHECK(text[0][0] == 0x55 && refs == 1 && jump_block.stays && SAID("this module has to stay loaded"));
	text[0][1] ^= 1; /* somebody else's */
	CHECK(target_pre_patch(&leaving) == -22 && !rows[0].active && text[1][0] == 0xf0 && SAID("\0013fix: first is not what this update was made for; nothing was patched\n"));
}

/* Many threads, whose stacks are more than one part looks at: 7,672 words each, of which none is read
 * twice while its task sleeps. */
enum { CROWD = 100 };
static char many_stacks[CROWD][STACK];
static struct task_struct many[CROWD], late;
static int comes, at_part; /* which task comes into the code, and when */

static void crowd(void)
{
	begin();
	memset(many_stacks, 0, sizeof(many_stacks));
	while_running = NULL;
	for (int i = 0; i < CROWD; i++)
		many[i] = (struct task_struct){ .node = { i + 1 < CROWD ? &many[i + 1].node : &init_signal.threads }, .stack = many_stacks[i], .sp = (unsigned long)many_stacks[i] + 4096, .comm = "one of many", .pid = 1000 + i, .start = 7, .waited = 3 };
	worker.node.next = &many[0].node;
}

static void run(struct task_struct *task, int into) { task->preempted++; put(task->stack, 8192, into ? text[1] + 2 : NULL); }
static void one_comes(int part) { if (part == at_part) run(&many[comes], 1); }
static void one_leaves(int part) { if (part == at_part) run(&many[comes], 1); else if (part == at_part + 10) run(&many[comes], 0); }
static void one_is_another(int part) { if (part == at_part) { run(&many[comes], 1); many[comes].preempted--; many[comes].start = 9; } }
static void all_run(int part) { (void)part; for (int i = 0; i < CROWD; i++) run(&many[i], 0); }
static void many_run(int part) { (void)part; for (int i = 0; i < CROWD; i += 5) run(&many[i], 0); }
static void one_is_new(int part)
{
	if (part != at_part)
		return;
	late = (struct task_struct){ .node = { &init_signal.threads }, .stack = stacks[1], .sp = (unsigned long)stacks[1] + 4096, .comm = "a child", .pid = 2000 };
	put(stacks[1], 8192, text[1]);
	many[CROWD - 1].node.next = &late.node;
}

static void parts(void)
{
	crowd();
	CHECK(jump_pre(NULL) == 0 && is_jump(1) && stopped > 50 && stopped < 120 && !slept && !allocated);
	stopped = 0;
	jump_post(NULL);
	CHECK(text[1][0] == 0xf0 && stopped > 50 && !refs && !allocated);
	for (int i = 0; i < CROWD; i += 33) {
		crowd(); /* it has been looked at, and comes into the code before the last part */
		comes = i, at_part = 50;
		while_running = one_comes;
		CHECK(jump_pre(NULL) == -16 && !pokes && slept == 2900 && SAID("is in use by one of many") && !allocated);
		crowd();
		while_running = one_leaves;
		CHECK(jump_pre(NULL) == 0 && is_jump(1) && !allocated);
		crowd(); /* it has ended, and another has its memory */
		while_running = one_is_another;
		CHECK(jump_pre(NULL) == -16 && !pokes && SAID("is in use by one of many"));
	}
	crowd();
	while_running = one_is_new;
	CHECK(jump_pre(NULL) == -16 && !pokes && SAID("is in use by a child (2000)"));
	crowd(); /* all run all the time */
	while_running = all_run;
	CHECK(jump_pre(NULL) == 0 && stopped > 10 && stopped < 30 && !allocated);
	crowd(); /* one in five does */
	while_running = many_run;
	CHECK(jump_pre(NULL) == 0 && stopped > 10 && stopped < 150 && !allocated);
	crowd();
	no_memory = 1;
	CHECK(jump_pre(NULL) == 0 && stopped == 2);
	put(many_stacks[99], 8192, text[1]);
	crowd();
	put(many_stacks[99], 8192, text[1]);
	CHECK(jump_pre(NULL) == -16 && !pokes && stopped == 31);
	no_memory = 0;
	crowd();
	CHECK(jump_pre(NULL) == 0);
	put(many_stacks[77], 8192, fresh + 8); /* the new code: it is undone, and stays */
	jump_post(NULL);
	CHECK(text[1][0] == 0xf0 && refs == 1 && jump_block.stays && SAID("its new code is in use by one of many (1077)") && !allocated);
	while_running = NULL;
	crowd();
	slept = stopped = 0;
	cleanup_module();
	CHECK(!slept && stopped > 50 && !allocated);
}

static void kprobes(void)
{
	struct pt_regs regs = { .ip = 1 };

	begin();
	probes[0].stub = (void *)0x1234;
	CHECK(probe_handler(&probes[0], &regs) == 1 && regs.ip == 0x1234);
	probe_error = -22;
	enable_probes();
	CHECK(SAID("fix: enable_kprobe failed for the probe at"));
	CHECK(probe_stub(1, 2, 3, 4, 5, 6, 7, 8, 9) == 42 && __this_module.refcnt == 0 && replaced_with[9] == 1);
	for (int i = 0; i < 9; i++)
		CHECK(replaced_with[i] == (unsigned long)i + 1);
}

static void goes(void)
{
	put(stacks[0], 5000, NULL);
	while_asleep = NULL;
}

/* At the end of the module a task in the new code is waited for, unless the unwinder knows better
 * than the words of its stack. */
static void leaves(void)
{
	static const struct { int depth, old, waits; } cases[] = {
		{ -22, 0, 1 }, /* it can't tell */
		{ 0, 0, 1 },
		{ 2, 1, 0 },
		{ 2, 0, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin();
		put(stacks[0], 5000, fresh + 8);
		while_asleep = goes;
		depth = cases[i].depth;
		unwound[0] = (unsigned long)text[0];
		unwound[1] = (unsigned long)(cases[i].old ? text[1] : fresh + 8);
		cleanup_module();
		CHECK(slept == 1000 * cases[i].waits && stopped == 1 + cases[i].waits);
		CHECK(!cases[i].waits || SAID("\0014fix: its new code is in use by a worker (77); waiting\n"));
	}
	begin(); /* what is left on the stack of an idle task, which never leaves it */
	idle_2 = &(struct task_struct){ .stack = stacks[1], .sp = (unsigned long)stacks[1] + 4096, .comm = "swapper/2" };
	put(stacks[1], 5000, fresh + 8);
	depth = 1;
	cleanup_module();
	CHECK(!slept && stopped == 3); /* in parts: nothing is known of the first */
	depth = -22;
	while_asleep = NULL;
}

int main(void)
{
	static const struct { const char *name; void (*run)(void); } cases[] = {
		{ "jumps", jumps }, { "prefixes", prefixes }, { "in the way", in_the_way }, { "own stack", own_stack }, { "stays", stays }, { "parts", parts }, { "leaves", leaves },
		{ "replaces", replaces }, { "alone", alone }, { "stacked", stacked }, { "settings", settings }, { "start", start }, { "constants", constants }, { "modules", modules }, { "imports", imported }, { "kprobes", kprobes },
		{ "exits", exits }, { "exits of modules that go", exits_of_modules_that_go }, { "exits of two", exits_of_two }, { "exits replaced", exits_replaced }, { "data of modules", data_of_modules }, { "jumps of modules", jumps_of_modules },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		failed = 0;
		cases[i].run();
		printf("%s %s\n", failed ? "FAIL" : "ok", cases[i].name);
	}
	return 0;
}
