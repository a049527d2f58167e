package elfdiff

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// program is a generated C source: functions made of statements of the kinds
// that compilers turn into different sorts of references.
type program struct {
	r         *rand.Rand
	asserts   bool
	functions []function
	mutated   string // what mutate did
}

type function struct {
	name string
	body []statement
}

// statement is a template and the numbers in it.
type statement struct {
	format string
	args   []any
}

const generatedHead = `
extern int puts(const char *);
extern int sink(int, ...);
extern void give_up(const char *, const char *, int, const char *) __attribute__((noreturn, cold));
extern void __assert_fail(const char *, const char *, unsigned, const char *) __attribute__((noreturn));
#define assert(e) ((e) ? (void)0 : __assert_fail(#e, __FILE__, __LINE__, __func__))
static int shared_state = 3;
int global_state[16];
static const short table[8] = { 4, 8, 15, 16, 23, 42, 99, 7 };
int (*hook)(int);
struct pair { int a; long b; const char *name; };
static struct pair pairs[] = { { 1, 2, "first" }, { 3, 4, "second" } };
`

// templates hold %d for a number, and %s for a string of letters.
var templates = []string{
	"x += %d;",
	"x ^= x << (%d & 15);",
	"puts(\"text %s\");",
	"sink(%d, \"value %s\", x);",
	"{ static int count; count += %d; x += count; }",
	"{ static int calls = %d; x -= calls++; }",
	"x += table[(x + %d) & 7];",
	"shared_state += x * %d;",
	"global_state[%d & 15] = x;",
	"for (int i = 0; i < x %% 7; i++) x += sink(i + %d);",
	"if (x < %d) { puts(\"small %s\"); return x - 1; }",
	"assert(x != %d);",
	"switch (x & 7) { case 0: x += sink(%d); break; case 1: x -= 5; break; case 2: x = sink(7, x); break; case 3: puts(\"three %s\"); break; case 4: x *= 9; break; case 5: x ^= 77; break; case 6: x = sink(x); }",
	"x += (int)(x * %d.25);",
	"{ double d = x; d *= %d.5; x = (int)d; }",
	"if (__builtin_expect(x == %d, 0)) give_up(\"%s\", \"file\", 3, __func__);",
	"pairs[x & 1].b += %d;",
	"puts(pairs[(x + %d) & 1].name);",
	"if (hook) x = hook(x + %d);",
	"puts(__func__);",
	"x += __builtin_bswap32(x) %% (%d | 1);",
}

// generate makes a program of n functions.
func generate(seed uint64, n int) *program {
	p := &program{r: rand.New(rand.NewPCG(seed, 7)), asserts: true}
	for i := range n {
		f := function{name: fmt.Sprintf("fn_%d", i)}
		for range 3 + p.r.IntN(8) {
			f.body = append(f.body, p.statement(templates[p.r.IntN(len(templates))]))
		}
		if i > 0 {
			f.body = append(f.body, statement{format: fmt.Sprintf("x += fn_%d(x + %%d);", p.r.IntN(i)), args: []any{p.r.IntN(1000)}})
		}
		p.functions = append(p.functions, f)
	}
	return p
}

func (p *program) statement(format string) statement {
	s := statement{format: format}
	for i := 0; i+1 < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		switch i++; format[i] {
		case 'd':
			s.args = append(s.args, 20000+p.r.IntN(30000))
		case 's':
			s.args = append(s.args, p.word())
		}
	}
	return s
}

func (p *program) word() string {
	b := make([]byte, 3+p.r.IntN(12))
	for i := range b {
		b[i] = 'a' + byte(p.r.IntN(26))
	}
	return string(b)
}

// text prints the program, with its functions in the given order.
func (p *program) text(order []int) string {
	var b strings.Builder
	b.WriteString(generatedHead)
	linkage := func(i int) string {
		if i%3 == 1 {
			return "static __attribute__((noinline, used)) int "
		}
		return "__attribute__((noinline)) int "
	}
	for i, f := range p.functions {
		fmt.Fprintf(&b, "%s%s(int x);\n", linkage(i), f.name)
	}
	for n := range p.functions {
		i := n
		if order != nil {
			i = order[n]
		}
		f := &p.functions[i]
		fmt.Fprintf(&b, "%s%s(int x)\n{\n", linkage(i), f.name)
		for _, s := range f.body {
			if p.asserts || !strings.HasPrefix(s.format, "assert") {
				fmt.Fprintf(&b, "\t"+s.format+"\n", s.args...)
			}
		}
		b.WriteString("\treturn x;\n}\n")
	}
	return b.String()
}

// mutate changes one number or word, and returns the function it is in.
// Initial values of statics are left alone, since those are data.
func (p *program) mutate() string {
	for {
		f := &p.functions[p.r.IntN(len(p.functions))]
		s := &f.body[p.r.IntN(len(f.body))]
		if len(s.args) == 0 || strings.Contains(s.format, "static int calls") || strings.HasPrefix(s.format, "assert") ||
			strings.Contains(s.format, "%d &") || strings.Contains(s.format, "+ %d) &") || strings.Contains(s.format, "| 1") {
			continue // masked numbers may be equal after all
		}
		i := p.r.IntN(len(s.args))
		switch v := s.args[i].(type) {
		case int:
			s.args[i] = v + 1 + p.r.IntN(100)
		case string:
			s.args[i] = v[:len(v)-1] + string('a'+(v[len(v)-1]-'a'+1)%26)
		}
		p.mutated = fmt.Sprintf("%s: "+s.format, append([]any{f.name}, s.args...)...)
		return f.name
	}
}
