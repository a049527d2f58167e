/* All tasks are looked at in parts, so that no processor stands still for long however many there
 * are. What counts is the last part, in which none is left: a task that was looked at before passes
 * if it has not run since, as its stack is the same then. The scheduler counts each time that a task
 * is switched out (kernel/sched/core.c, __schedule), and all are when the machine is stopped.
 *
 * Where more tasks run in between than fit into a part, so that there would be no end to it, parts
 * become larger, until one has room for all. */
#include "update.h"

/* A row is a task that nobody is in the way by. */
struct row {
	const struct task_struct *task;
	u64 start; /* tells it from another one that has its memory since */
	u64 switches;
};

#define PROBES 8 /* rows that one task can have */
#define MOST_ROWS (1 << 22)
#define MOST_GROWTH 20 /* 2^20 times as large: more than all stacks of any machine */

/* How many words of stacks a part looks at, and how many more for each task that there is: with many it
 * takes most of the time to see that they pass, and fewer parts are better. */
#define PART 2048
#define MANY 4096
#define PART_TASK 1
#define PART_TASK_OF_MANY 8

static struct {
	const struct range *table; /* what they are looked at for */
	struct row *rows;	   /* a hash table; NULL at first, and where there is no memory */
	u64 mask;
	u64 tasks; /* that there are; as a part begins, that there were in the last */
	u64 left;  /* words, in this part */
	u64 more;  /* tasks that this part has left for the next, */
	u64 least; /* and the fewest that one has */
	u32 growth; /* parts are larger by this power of 2 */
	u32 stuck;  /* parts that have not left fewer */
	bool on;    /* this look is one of these, and not one for another table */
	bool whole; /* look at all at once */
} looks;

static u64 switches(const struct task_struct *task)
{
	return *task_struct_nvcsw(task) + *task_struct_nivcsw(task);
}

/* row_of returns the row of a task, or the one that it gets. */
static struct row *row_of(const struct task_struct *task)
{
	u64 hash = ((u64)task >> 6) * 0x9e3779b97f4a7c15; /* 2^64 by the golden ratio */
	struct row *first = &looks.rows[hash >> 32 & looks.mask];

	for (struct row *r = first; r < first + PROBES; r++)
		if (r->task == task || !r->task)
			return r;
	return first;
}

void begin_part(const struct range *table)
{
	if (!looks.table)
		looks.table = table;
	looks.on = looks.table == table;
	looks.left = (PART + looks.tasks * (looks.tasks < MANY ? PART_TASK : PART_TASK_OF_MANY)) << looks.growth;
	looks.tasks = 0;
	looks.more = 0;
}

/* passes reports whether a task need not be looked at in this part. */
bool passes(const struct task_struct *task)
{
	const struct row *r;

	if (!looks.on)
		return 0;
	looks.tasks++;
	r = looks.rows ? row_of(task) : NULL;
	if (r && r->task == task && r->switches == switches(task) && r->start == *task_struct_start_time(task))
		return 1;
	if (looks.left || looks.whole)
		return 0;
	looks.more++;
	return 1;
}

/* passed notes that a task was looked at, and is not in the way. */
void passed(const struct task_struct *task, u64 words)
{
	struct row *r;

	if (!looks.on)
		return;
	looks.left = looks.left > words ? looks.left - words : 0;
	if (!looks.rows)
		return;
	r = row_of(task);
	r->task = task;
	r->start = *task_struct_start_time(task);
	r->switches = switches(task);
}

int end_part(void)
{
	return looks.on && looks.more ? -EINPROGRESS : 0;
}

/* grow has parts become larger when two have not left fewer tasks. */
static void grow(void)
{
	if (!looks.least || looks.more < looks.least) {
		looks.least = looks.more;
		looks.stuck = 0;
	} else if (++looks.stuck == 2) {
		looks.stuck = 0;
		looks.whole = ++looks.growth > MOST_GROWTH;
	}
}

/* look_on is between two parts. */
void look_on(void)
{
	u64 rows = 64;

	grow();
	if (looks.rows || looks.whole)
		return;
	while (rows < 2 * looks.tasks && rows < MOST_ROWS)
		rows *= 2;
	looks.rows = vmalloc_noprof((rows + PROBES) * sizeof(struct row));
	looks.whole = !looks.rows;
	if (looks.whole)
		return;
	looks.mask = rows - 1;
	for (u64 i = 0; i < rows + PROBES; i++)
		looks.rows[i].task = NULL;
}

/* forget ends it. */
void forget(void)
{
	vfree(looks.rows);
	__builtin_memset(&looks, 0, sizeof(looks));
}
