package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Env is the environment variable by which tests are asked for that need packages,
// kernels or hours: [Word]s with commas between them.
const Env = "GOSPLICE_TEST"

// A Word is what [Env] may hold.
type Word string

// The words that ask for tests.
const (
	Kernel Word = "kernel" // fetch, compile and boot kernels
	More   Word = "more"   // a larger sample of the combinations
	Strict Word = "strict" // a test may not be skipped for want of something
	Long   Word = "long"   // every combination instead of a sample
	Kills  Word = "kills"  // tools are killed before each of their system calls
	Small  Word = "small"  // kernels without livepatch are built, in ten minutes each, and kept
)

// The words that have a value, as in "objects=DIR".
const (
	Objects Word = "objects"
	Vmlinux Word = "vmlinux"
	Vmlinuz Word = "vmlinuz"
	Other   Word = "other"
	Release Word = "release"
	Flips   Word = "flips"
	Cycles  Word = "cycles"
	Shifted Word = "shifted"
	Corpus  Word = "corpus"
	Objtool Word = "objtool"
	Pre     Word = "pre"
	Post    Word = "post"
	Kernels Word = "kernels" // releases, with colons between them

	Services Word = "services"

	Compilers Word = "compilers" // with colons between them
)

var (
	flags  = []Word{Kernel, More, Strict, Long, Kills, Small}
	values = []Word{Objects, Vmlinux, Vmlinuz, Other, Release, Flips, Cycles, Shifted, Corpus, Objtool, Pre, Post, Kernels, Services, Compilers}
)

// parse reads the value of [Env].
func parse(text string) (map[Word]string, error) {
	asked := map[Word]string{}
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		name, value, valued := strings.Cut(part, "=")
		list := flags
		if valued {
			list = values
		}
		if !slices.Contains(list, Word(name)) || valued && value == "" {
			return nil, fmt.Errorf("%s: %q: the words are %q, and %q, with a value each", Env, part, flags, values)
		}
		asked[Word(name)] = value
	}
	return asked, nil
}

// environment is what is asked for. A word that does not exist asks for nothing, so
// that it ends the run: nobody would notice.
func environment() map[Word]string {
	asked, err := parse(os.Getenv(Env))
	if err != nil {
		panic(err)
	}
	return asked
}

// Asked reports whether a word asks for more tests.
func Asked(w Word) bool {
	_, ok := environment()[w]
	return ok
}

// Value returns what is given with a word, "" when nothing is.
func Value(w Word) string { return environment()[w] }

// StandIn returns the compiler that [Compilers] names for one of a family, such as gcc or
// clang-14: itself where it names none.
func StandIn(cc string) string {
	family, _, _ := strings.Cut(cc, "-")
	for name := range strings.SplitSeq(Value(Compilers), ":") {
		if strings.HasPrefix(filepath.Base(name), family) {
			return name
		}
	}
	return cc
}

// Number returns the number that is given with a word, or what stands for it.
func Number(t testing.TB, w Word, otherwise int) int {
	t.Helper()
	text := Value(w)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %s: %v", Env, w, err)
	}
	return n
}

// NeedValues returns what is given with words, or skips a test that does something
// with that, which what says.
func NeedValues(t testing.TB, what string, words ...Word) []string {
	t.Helper()
	given := make([]string, len(words))
	for i, w := range words {
		if given[i] = Value(w); given[i] == "" {
			t.Skipf("%s: asked for by %s with %q", what, Env, words)
		}
	}
	return given
}

// NeedKernels skips a test that fetches, compiles or boots kernels, unless that is
// asked for.
func NeedKernels(t testing.TB) {
	t.Helper()
	if !Asked(Kernel) {
		t.Skipf("fetches, compiles or boots kernels: asked for by %s=%s", Env, Kernel)
	}
}

// Sample returns what of a list the nth test of many works on: all when [More] or
// [Long] is asked for, and in short runs, whose lists are short. Otherwise it is every
// third, and at least one, so that together the tests work on all of the list. Under the
// race detector it is one.
func Sample[T any](n int, list []T) []T {
	if raced && len(list) > 0 {
		return list[n%len(list):][:1]
	}
	if Asked(More) || Asked(Long) || testing.Short() {
		return list
	}
	return third(n, list)
}

func third[T any](n int, list []T) (out []T) {
	every := min(len(list), 3)
	for i := range list {
		if (n+i)%every == 0 {
			out = append(out, list[i])
		}
	}
	return out
}
