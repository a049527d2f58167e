/* Functions that are not traced are taken over by jumps, all at once, while all
 * processors stand still and no stack leads to the old code. */
#include "update.h"

#define INT3 0xcc
#define LOCK_PREFIX 0xf0
#define DS_PREFIX 0x3e /* what the kernel makes of a lock while there is one processor */

WEAK int patch_pre_patch(struct klp_object *object UNUSED) { return 0; }
WEAK void patch_post_unpatch(struct klp_object *object UNUSED) {}
WEAK void adopt_others(void) {}
WEAK int scan_others(void) { return 0; }
WEAK void leave_others(void) {}
WEAK bool covered(void) { return 0; }
WEAK void look_on(void) {}
WEAK void forget(void) {}

static bool same(const u8 *a, const u8 *b)
{
	for (int i = 0; i < JUMP_SIZE; i++)
		if (a[i] != b[i])
			return 0;
	return 1;
}

static void make(struct jump *j)
{
	u32 distance = (u32)((u64)j->to - (u64)j->at - JUMP_SIZE);

	j->bytes[0] = JMP_REL32;
	__builtin_memcpy(j->bytes + 1, &distance, sizeof(distance));
}

/* look takes down what stands where a jump goes, and reports whether it is what should
 * be there. A lock prefix that is left out while there is one processor goes back in
 * when the jump is undone; where the jump itself would look like one that was left out,
 * the kernel could change it. */
static bool look(struct jump *j)
{
	__builtin_memcpy(j->before, j->at, JUMP_SIZE);
	make(j);
	if (j->earlier)
		return same(j->before, j->earlier->bytes);
	if (j->lock) {
		if (j->bytes[j->lock - 1] == DS_PREFIX)
			return 0;
		if (j->before[j->lock - 1] == DS_PREFIX)
			j->before[j->lock - 1] = LOCK_PREFIX;
	}
	if (j->ret && j->before[j->ret - 1] == INT3)
		return 0;
	for (int i = 0; i < JUMP_SIZE; i++)
		if ((j->before[i] ^ j->expected[i]) & j->mask[i])
			return 0;
	return 1;
}

static void write(struct jump *j, const u8 *bytes, bool active)
{
	text_poke(j->at, bytes, JUMP_SIZE);
	j->active = active;
	if (j->earlier)
		j->earlier->active = !active;
}

/* apply writes all jumps, or none. */
static int apply(void)
{
	struct jump *j;
	int err = 0;

	if (jump_block.old)
		err = scan(jump_block.old);
	if (!err && jump_block.rows == jump_rows)
		err = scan_others();
	if (err)
		return err;
	for (j = jump_block.rows; j->at; j++)
		if (!look(j)) {
			jump_block.name = j->name;
			return -EINVAL;
		}
	for (j = jump_block.rows; j->at; j++)
		write(j, j->bytes, 1);
	return 0;
}

/* revert puts back what the jumps have replaced: all, or nothing when one of them is
 * not what was written, or a later update stands over one. It returns -EBUSY when the new
 * code is in use still. */
static int revert(void)
{
	struct jump *j;

	if (jump_block.work == WORK_REVERT && covered())
		return -EAGAIN;
	for (j = jump_block.rows; j->at; j++)
		if (j->active && !same(j->at, j->bytes)) {
			jump_block.name = j->name;
			return -EINVAL;
		}
	for (j = jump_block.rows; j->at; j++)
		if (j->active)
			write(j, j->before, 0);
	return jump_block.work == WORK_PUT_BACK ? 0 : scan(jump_new);
}

/* gate is what stop_machine calls on every processor. The first to come waits for the
 * others, does the work, and lets them go; so it is known where all of them are. */
static int gate(void *unused UNUSED)
{
	int err = 0;

	if (!__atomic_fetch_add(&jump_block.arrived, 1, __ATOMIC_SEQ_CST)) {
		while (READ_ONCE(jump_block.arrived) != READ_ONCE(__num_online_cpus))
			cpu_relax();
		err = jump_block.work == WORK_APPLY ? apply() : revert();
		WRITE_ONCE(jump_block.done, 1);
	}
	do
		cpu_relax();
	while (!READ_ONCE(jump_block.done));
	sync_core();
	return err;
}

/* stop stops all processors for some work. The order of the locks is that of the
 * kernel (arch_jump_label_transform and kernel/kprobes.c). */
int stop(enum work work)
{
	int err;

	cpus_read_lock();
	mutex_lock(&text_mutex);
	jump_block.arrived = 0;
	jump_block.done = 0;
	jump_block.work = work;
	err = stop_machine_cpuslocked(gate, NULL, &__cpu_online_mask);
	mutex_unlock(&text_mutex);
	cpus_read_unlock();
	return err;
}

/* retry does the work until nobody is in the way, for 3 seconds at most: 30 times with
 * 100 ms in between, since each stops the machine. */
static int retry(enum work work)
{
	int err;

	for (int times = 30;;) {
		err = stop(work);
		if (err == -EINPROGRESS) {
			look_on();
			continue;
		}
		if (err != -EBUSY || !--times)
			break;
		msleep(100);
	}
	forget();
	return err;
}

static int retry_revert(void)
{
	jump_block.rows = jump_rows;
	return retry(WORK_REVERT);
}

int undo_jumps(void)
{
	int err;

	if (!jump_block.applied)
		return 0;
	err = retry_revert();
	if (!err)
		jump_block.applied = 0;
	return err;
}

/* place writes the jumps of some rows, once nobody is in the code that they replace. */
static int place(struct jump *rows, const struct range *old)
{
	int err;

	jump_block.rows = rows;
	jump_block.old = old;
	err = retry(WORK_APPLY);
	if (err)
		say(err == -EBUSY ? KERN_ERR "%s: %s is in use by %s (%d); nothing was patched\n"
				  : KERN_ERR "%s: %s is not what this update was made for; nothing was patched\n");
	return err;
}

/* stay keeps the module loaded: its code is in use still, or jumps lead to it. */
static void stay(int err)
{
	jump_block.stays = 1;
	say(err == -EBUSY ? KERN_WARNING "%s: %s is in use by %s (%d); this module has to stay loaded\n"
			  : KERN_ERR "%s: somebody else has changed %s; it stays as it is, and so does this module\n");
	__module_get(&__this_module);
}

/* jump_pre is the pre_patch callback of the kernel itself: first that of the patch, so
 * that it finds everything as it was, then the jumps. */
int jump_pre(struct klp_object *object)
{
	int err = patch_pre_patch(object);

	if (err)
		return err;
	adopt_others();
	err = place(jump_rows, jump_old);
	jump_block.applied = !err;
	if (!err)
		return 0;
	leave_others();
	patch_post_unpatch(object);
	return err;
}

/* jump_post is the post_unpatch callback of the kernel itself: first the jumps, then
 * that of the patch. */
void jump_post(struct klp_object *object)
{
	int err = undo_jumps();

	if (err)
		stay(err);
	patch_post_unpatch(object);
}

/* jumps_pre_patch writes the jumps of a module that is patched. Nobody runs one that is coming. */
int jumps_pre_patch(const struct target *target, bool coming)
{
	return place(target->jumps, coming ? NULL : target->jump_old);
}

/* jumps_post_unpatch undoes them. The code of a module that goes is left as it is: nobody
 * runs it any more. */
void jumps_post_unpatch(const struct target *target, bool there)
{
	int err = 0;

	jump_block.rows = target->jumps;
	if (there)
		err = retry(WORK_REVERT);
	else
		for (struct jump *j = target->jumps; j->at; j++)
			j->active = 0;
	if (err)
		stay(err);
}

/* leave_jumps is for the end of the module: an update that another has replaced may
 * have jumps left, since livepatch does not call its callbacks, or its code may be in
 * use. It can't refuse any more, and waits. */
void leave_jumps(void)
{
	bool told = 0;
	int err;

	while ((err = undo_jumps())) {
		if (!told)
			say(err == -EBUSY ? KERN_WARNING "%s: %s is in use by %s (%d); waiting\n"
					  : KERN_ERR "%s: somebody else has changed %s; it stays as it is, and so does this module\n");
		told = 1;
		msleep(1000);
	}
}

/* keep_module has the start succeed although livepatch failed, when the new code is in
 * use already: the module must not go. */
int keep_module(int err)
{
	return jump_block.stays ? 0 : err;
}
