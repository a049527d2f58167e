package preproc

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// forms are declarations of many kinds. N is a number of their own, P that of one in front.
var forms = []string{
	"struct sN { int a; long b; };",
	"struct sN { int a; struct sP *b; char c[3]; };",
	"struct sN { unsigned a : 3, b : 5; unsigned char c : 1; };",
	"struct __attribute__((packed)) sN { char a; long b; };",
	"struct sN { char a; long b; } __attribute__((packed, aligned(2)));",
	"struct sN { int a, b; } vN[] = { { 10 }, { 1, 2 } };",
	"struct sN { int a; } vN = { 3 };",
	"struct { int a; } vN[2] = { { 10 }, };",
	"static const struct sN { int a; } vN[] = { { 10 }, };\nint fN(int i) { return vN[i].a; }",
	"enum eN { AN, BN = 4, CN };\nint fN(void) { return BN; }",
	"enum { AN = 2, BN };\nchar vN[BN];",
	"enum { AN = 2, BN };\nstruct sN { int a[AN]; int b; };",
	"typedef unsigned int tN;",
	"typedef struct { int a; long b; } tN;",
	"struct sN;",
	"static inline int fN(int a) { return a * 2; }",
	"static inline int fN(int a) { return a * 3; }\nint gN(int a) { return fN(a) + 1; }",
	"static inline __attribute__((__gnu_inline__, always_inline)) int fN(int a) { return a + 4; }",
	"static inline int fN(int a) { return a * 5; }\nstruct oN { int (*f)(int); } vN = { fN };",
	"static inline int fN(int a) { return a * 5; }\nint (*vN)(int) = fN;",
	"static inline int fN(int a) { static int n; return n += a; }",
	"static inline int fN(int a) { static int n __attribute__((used)); return n += a; }",
	"static inline int fN(int a) { extern int hN(int); return hN(a); }",
	"static inline int fN(int a) { return a; }\nextern int gN(int) __attribute__((alias(\"fN\")));",
	"static __attribute__((used)) int fN(int a) { return a - 1; }",
	"static int fN(int a) { return a - 2; }",
	"int fN(int key[static 3]) { return key[2]; }",
	"int fN(int n, int key[static const 3]) { return key[1] + n; }",
	"inline int fN(int a) { return a + 7; }",
	"extern inline int fN(int a) { return a + 8; }",
	"extern inline __attribute__((gnu_inline)) int fN(int a) { return a + 9; }",
	"extern inline __attribute__((gnu_inline)) int fN(int a) { return a + 9; }\nint gN(int a) { return fN(a); }",
	"int fN(a) int a; { return a * 11; }",
	"int fN(a, b) int a; struct sP *b; { return a * 12; }",
	"static inline int fN(a) int a; { return a * 13; }",
	"int fN(void) { return ({ int x = 5; x * 2; }); }",
	"static inline int fN(int a) { int in(int b) { return b + a; } return in(3); }",
	"int fN(int a) { int in(int b) { return b + a; } return in(3) + in(4); }",
	"__typeof__(1L) vN;",
	"__typeof__(sizeof(struct sP *)) vN = 5;",
	"int fN(int a) { return _Generic(a, int: 3, default: 4); }",
	"_Static_assert(sizeof(int) == 4, \"N\");",
	"_Static_assert(sizeof(struct qN { int a; }) == 4, \"N\");\nint vN = sizeof(struct qN);",
	"asm(\".globl aN\\naN: .long 5\");",
	"asm(\".text\");",
	"int vN __attribute__((section(\".data.own\"), used)) = 4;",
	"static int vN __attribute__((used)) = 5;",
	"static int vN;",
	"static int vN = 6; int fN(void) { return vN++; }",
	"int vN;",
	"const int vN = 7;",
	"extern int vN;",
	"extern int vN; int fN(void) { return vN; }",
	"extern const char vN[]; const char *fN(void) { return vN + 2; }",
	"extern int fN(int) __attribute__((const));",
	"extern int fN(int) asm(\"other\");",
	"int fN(int) __attribute__((noreturn));\nvoid gN(void) { fN(1); }",
	"int fN(int);\nint (*vN)(int) = fN;",
	"__attribute__((weak)) int fN(void);\nint gN(void) { return fN ? 1 : 2; }",
	"__attribute__((constructor)) static void fN(void) { asm(\"nop\"); }",
	"typedef int tN;\nconst tN (vN);",
	"typedef int tN;\nextern const tN (vN);\nint fN(void) { return vN; }",
	"typedef int tN;\nint fN(tN);\nint gN(void) { return fN(3); }",
	"typedef int tN;\ntN (vN)[3];",
	"union uN { int a; char b[4]; };\nint fN(void) { return sizeof(union uN); }",
	"struct sN { struct { int x; } in; enum { IN = 3 } e; };\nint fN(void) { return IN; }",
	"static inline int fN(int a) { return sizeof(struct { int x[2]; }) + a; }",
	"static inline struct rN { int a; } fN(void) { return (struct rN) { 4 }; }",
	"int *vN = (int []) { 1, 2 };",
	"static int *vN = (int []) { 1, 2 }; int *fN(void) { return vN; }",
	"static inline int fN(void) { return 3; }\nint vN[sizeof(fN()) + 1];",
	"static inline int fN(void) { return 1; }\nstatic inline int gN(void) { return fN(); }\nint hN(void) { return gN(); }",
	"int fN(int a) { __label__ out; if (a) goto out; a = 2; out: return a; }",
	"#pragma pack(push, 1)\nstruct sN { char a; int b; };\n#pragma pack(pop)\nint fN(void) { return sizeof(struct sN); }",
	"#pragma weak fN\nint fN(int);\nint (*vN)(int) = fN;",
	"int vN = sizeof(struct sP *) + 1;",
	"char vN[] = \"alpha\\0beta\";",
	"static inline int fN(int a) { return a; }\nstatic void *vN __attribute__((used)) = (void *)fN;",
	"int fN(int (*call)(int)), gN(void);\nint hN(void) { return gN(); }",
	"[[gnu::used]] static int fN(void) { return 3; }",
	"_Thread_local int vN = 3;",
	"int fN(void) { extern int wN; return wN; }",
	"static inline int fN(int a)\n{\n#pragma GCC diagnostic push\n return a;\n}",
	"int fN(double a) { return a < 1.5e+3; }",
	"register long vN asm(\"r15\");",
	"int fN(int a, ...) { return a; }",
	"static inline int (*fN(int a))(int) { return 0; }",
	"struct sN { int a; } fN(void);\nint gN(void) { return fN().a; }",
	"void fN(struct sP *p); void gN(void *p) { fN(p); }",
	"extern struct sP vN; void *fN(void) { return &vN; }",
}

// TestSameAsCompiled changes tokens, declarations and their order in units of all forms: where Same says
// that a compiler makes the same of both, it has to, but for the numbers of local names.
func TestSameAsCompiled(t *testing.T) {
	testenv.Need(t, "gcc")
	rounds := 100
	if testenv.Asked(testenv.Long) {
		rounds = 20000
	}
	r := rand.New(rand.NewPCG(1, 2))
	c := &compiled{made: map[string][]byte{}}
	same, compared := 0, 0
	for range rounds {
		unit := someForms(r)
		other := mutate(r, unit)
		pre, post := strings.Join(unit, "\n")+"\n", strings.Join(other, "\n")+"\n"
		yes, why := Same([]byte(pre), []byte(post))
		if !yes || why == "the preprocessed text is the same" {
			continue
		}
		same++
		x := c.make(t, pre)
		if x == nil {
			continue
		}
		y := c.make(t, post)
		if y == nil {
			continue
		}
		if compared++; !bytes.Equal(x, y) {
			t.Errorf("said to be the same (%s):\n%s\n---\n%s\n--- make\n%s\n---\n%s", why, pre, post, x, y)
			return
		}
	}
	t.Logf("%d of %d said to be the same, %d of these compiled", same, rounds, compared)
	if compared < rounds/20 {
		t.Errorf("only %d were compared", compared)
	}
}

// someForms makes a unit: a few forms, with numbers.
func someForms(r *rand.Rand) []string {
	list := []string{"struct s0 { int z; };"}
	n := 1 + r.IntN(3)
	for i := 1; i <= n; i++ {
		f := strings.ReplaceAll(forms[r.IntN(len(forms))], "P", fmt.Sprint(r.IntN(i)))
		list = append(list, strings.Split(numbered.ReplaceAllString(f, "${1}"+fmt.Sprint(i)), "\n")...)
	}
	return list
}

var numbered = regexp.MustCompile(`\b([a-zA-Z]{1,2})N\b`)

// mutate changes one thing.
func mutate(r *rand.Rand, unit []string) []string {
	out := append([]string{}, unit...)
	at := r.IntN(len(out))
	switch r.IntN(8) {
	case 0: // one line goes
		return append(out[:at], out[at+1:]...)
	case 1: // one comes
		more := someForms(r)
		line := strings.NewReplacer("1", "7", "2", "8", "3", "9").Replace(more[len(more)-1])
		return append(out[:at], append([]string{line}, out[at:]...)...)
	}
	words := aToken.FindAllStringIndex(out[at], -1)
	if len(words) == 0 {
		return out
	}
	w := words[r.IntN(len(words))]
	text := out[at][w[0]:w[1]]
	now := []string{"", text + " " + text, "static", "inline", "extern", "const", "long", "char", "7", "3", "[2]", "*", "__attribute__((used))", "= 3"}[r.IntN(14)]
	if text[0] >= '0' && text[0] <= '9' && r.IntN(4) > 0 {
		now = text + "1"
	} else if r.IntN(3) == 0 {
		now = text + " " + now
	}
	out[at] = out[at][:w[0]] + now + out[at][w[1]:]
	return out
}

// aToken is a word, or a character of punctuation.
var aToken = regexp.MustCompile(`\w+|[^\w\s]`)

// compiled keeps what a compiler makes of texts.
type compiled struct{ made map[string][]byte }

// localNumber are numbers of local names, and lines of the source in comments about it.
var localNumber = regexp.MustCompile(`\.[0-9]+\b|(?m)^#.*$`)

// make is what a compiler makes of a text, nil where it refuses it.
func (c *compiled) make(t *testing.T, text string) []byte {
	t.Helper()
	if out, ok := c.made[text]; ok {
		return out
	}
	cmd := exec.CommandContext(t.Context(), "gcc", "-O2", "-w", "-g0", "-xc", "-S", "-o-", "-")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		out = nil
	}
	if out != nil {
		out = renumbered(localNumber.ReplaceAll(out, []byte(".N")))
	}
	c.made[text] = out
	return out
}

var label = regexp.MustCompile(`\.L[A-Z]*[0-9]+\b`)

// renumbered numbers labels in the order in which they appear.
func renumbered(text []byte) []byte {
	number := map[string]int{}
	return label.ReplaceAllFunc(text, func(name []byte) []byte {
		if _, ok := number[string(name)]; !ok {
			number[string(name)] = len(number)
		}
		return fmt.Appendf(nil, ".label%d", number[string(name)])
	})
}
