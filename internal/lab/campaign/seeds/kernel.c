/* Code with an entry in each of the tables that a kernel of Linux 6.1 or 6.12 has. */
#ifdef POST
#define ADD 2
#define REPLACEMENT "lfence"
#else
#define ADD 1
#define REPLACEMENT "call other"
#endif

extern long key[4];
extern void other(void);
extern int _printk(const char *, ...);
#define SECTION(name, flags, code) ".pushsection " name ",\"" flags "\"\n" code "\n.popsection\n"

#define ALT asm volatile("1: nop; nop; nop; nop; nop\n2:\n" \
	SECTION(".altinstructions", "a", ".long 1b - ., 3f - .\n.word 7, 0\n.byte 2b-1b, 4f-3f") \
	SECTION(".altinstr_replacement", "ax", "3: " REPLACEMENT "\n4:"))
#define EX asm volatile("1: nop\n2:\n" SECTION("__ex_table", "a", ".balign 4\n.long 1b - ., 2b - ., 3"))
#define BUG asm volatile("1: ud2\n" SECTION("__bug_table", "aw", ".long 1b - ., 2f - .\n.word %c0, 1") \
	SECTION(".rodata.files", "a", "2: .asciz \"file.c\"") : : "i"(__LINE__))
#define BRANCH asm volatile("1: .byte 0x0f, 0x1f, 0x44, 0, 0\n" SECTION("__jump_table", "aw", ".balign 8\n.long 1b - ., 1b - .\n.quad key + 4 - ."))
#define STATIC_CALL asm volatile("1: call other\n" SECTION(".static_call_sites", "aw", ".balign 4\n.long 1b - ., key - ."))
#define SMP asm volatile("1: lock; incl %0\n" SECTION(".smp_locks", "a", ".balign 4\n.long 1b - .") : "+m"(counter))
#define RETPOLINE asm volatile("1: call other\n" SECTION(".retpoline_sites", "a", ".long 1b - .") SECTION(".call_sites", "a", ".long 1b - ."))
#define MCOUNT asm volatile("1: .byte 0x0f, 0x1f, 0x44, 0, 0\n" SECTION("__mcount_loc", "a", ".quad 1b"))
#define ORC asm volatile("1: nop\n" SECTION(".orc_unwind_ip", "a", ".long 1b - .") SECTION(".orc_unwind", "a", ".byte 8, 0, 0, 0, 5, 0"))
#define PARA asm volatile("1: call *key(%%rip)\n2:\n" SECTION(".parainstructions", "a", ".balign 8\n.quad 1b\n.byte 3, 2b-1b\n.short 0\n.long 0") ::: "memory")
#define SEAL asm volatile("1: .byte 0xf3, 0x0f, 0x1e, 0xfa\n" SECTION(".ibt_endbr_seal", "a", ".long 1b - .") SECTION(".return_sites", "a", ".long 1b - ."))

static int counter;
const char linux_banner[] = "Linux version 6.1.0-small (x@y) #1 SMP";
char modinfo[] __attribute__((section(".modinfo"))) = "license=GPL\0name=seed\0vermagic=6.1.0-small SMP";
static const char text[] __attribute__((section(".rodata.text"))) = "a text";

struct ddebug { const char *module, *function, *file, *format; unsigned line : 18, rest : 14; long key; };
static struct ddebug describe __attribute__((section("__dyndbg"), used)) = { "seed", "first", "kernel.c", "x %d\n", __LINE__, 1, 0 };
static void (*initcall)(void) __attribute__((section(".initcall6.init"), used)) = other;

__attribute__((noinline)) int first(int x) { ALT; MCOUNT; SMP; return x + ADD; }
__attribute__((noinline)) int second(int x) { EX; ORC; RETPOLINE; return x * 3 + text[x & 3]; }
__attribute__((noinline)) int third(int x) { BUG; SEAL; return x * 5 + counter; }
__attribute__((noinline)) int fourth(int x) { BRANCH; STATIC_CALL; PARA; return x + 2 * ADD + _printk("value %d\n", x); }
__attribute__((section(".init.text"))) int begin(int x) { return first(x) + second(x); }
__attribute__((section(".exit.text"))) int end(int x) { return third(x) - fourth(x) + (int)describe.key; }
int (*const table[])(int) = { first, second, third, fourth };
