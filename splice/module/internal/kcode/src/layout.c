/* Where the members of the rows are, and what constants are, as values of symbols: for
 * the linker, which reads this object and does not link it. */
#include "update.h"

#define VALUE(name, value) asm(".globl " name "\n\t.set " name ", %c0" : : "i"(value))
#define SIZE(s) VALUE("sizeof." #s, sizeof(struct s))
#define MEMBER(s, m) VALUE(#s "." #m, __builtin_offsetof(struct s, m))
#define CONSTANT(c) VALUE(#c, c)
#define QUOTED(text) #text
#define NUMBER(macro) asm(".globl " #macro "\n\t.set " #macro ", " QUOTED(macro)) /* of any width */

ASSERT(sizeof(struct jump) == 64);
ASSERT(sizeof(struct exit_function) == 40);
ASSERT(sizeof(struct account) == 32);

void layout(void)
{
	SIZE(check);
	MEMBER(check, at);
	MEMBER(check, want);
	MEMBER(check, mask);
	MEMBER(check, size);
	MEMBER(check, name);

	SIZE(copy);
	MEMBER(copy, to);
	MEMBER(copy, from);
	MEMBER(copy, size);

	SIZE(setting);
	MEMBER(setting, at);
	MEMBER(setting, name);
	MEMBER(setting, old);
	MEMBER(setting, new);
	MEMBER(setting, size);
	MEMBER(setting, read_only);

	SIZE(fixup);
	MEMBER(fixup, at);
	MEMBER(fixup, value);
	MEMBER(fixup, plus);
	MEMBER(fixup, minus);
	MEMBER(fixup, size);
	MEMBER(fixup, text);

	SIZE(import);
	MEMBER(import, name);
	MEMBER(import, owner);
	MEMBER(import, value);
	MEMBER(import, crc);
	MEMBER(import, has_crc);

	CONSTANT(FIND_SYMBOL_ARG_WORDS);

	CONSTANT(BASE_ZERO);
	CONSTANT(BASE_FIELD);
	CONSTANT(BASE_MODULE);
	CONSTANT(BASE_PART);

	SIZE(target);
	MEMBER(target, name);
	MEMBER(target, bases);
	MEMBER(target, parts);
	MEMBER(target, part_count);
	MEMBER(target, expected);
	MEMBER(target, checks);
	MEMBER(target, fixups);
	MEMBER(target, exit);
	MEMBER(target, saves);
	MEMBER(target, writes);
	MEMBER(target, restores);
	MEMBER(target, initials);
	MEMBER(target, imports);
	MEMBER(target, jumps);
	MEMBER(target, jump_old);

	SIZE(jump);
	MEMBER(jump, at);
	MEMBER(jump, expected);
	MEMBER(jump, lock);
	MEMBER(jump, ret);
	MEMBER(jump, to);
	MEMBER(jump, name);
	MEMBER(jump, bytes);
	MEMBER(jump, before);
	MEMBER(jump, earlier);
	MEMBER(jump, active);
	MEMBER(jump, mask);

	CONSTANT(JUMP_SIZE);
	NUMBER(STATE_ID);
	CONSTANT(STATE_VERSION);
	NUMBER(MODULE_STATE_ID);
	CONSTANT(MODULE_STATE_VERSION);

	SIZE(account);
	MEMBER(account, rows);
	MEMBER(account, code);
	MEMBER(account, module);

	SIZE(exit_function);
	MEMBER(exit_function, old);
	MEMBER(exit_function, new);
	MEMBER(exit_function, name);
	NUMBER(EXIT_STATE_ID);
	CONSTANT(EXIT_STATE_VERSION);

	SIZE(range);
	MEMBER(range, start);
	MEMBER(range, end);
	MEMBER(range, name);
}
