//go:build linux && amd64

package process

import (
	"path"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/ehframe"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// exceptions tells whether an exception can pass through the code of an update,
// of which the program's unwinder knows nothing: it would find no handler, and
// end the program, or leave out what is to be done on the way.
//
// That takes somebody above who handles exceptions, and somebody below who may
// throw one. Above are the module that is patched, and those that call into it.
// Below is whatever the new code calls, but for the C library's functions, as
// long as they do not call back.
type exceptions struct {
	*plan
	tables  []*ehframe.Table
	mem     readerAt
	byName  map[string][]int // see importers
	foreign map[int]bool     // see throws
	cancels *bool
}

// check has the program's unwinders led to an update that an exception may pass
// through, or refuses it.
func (x *exceptions) check() error {
	if x.linker.HasSection(kerneltab.ExceptTable) {
		r := splice.Refuse(splice.CodeUnwinding, "", kerneltab.ExceptTable, 0, "a changed function catches exceptions, or has destructors to run for them")
		return x.require(r)
	}
	calls, err := x.linker.Calls()
	if err != nil {
		return err
	}
	for i := range calls {
		c := &calls[i]
		if x.quiet(c) {
			continue
		}
		above, err := x.above()
		if err != nil || above == "" {
			return err
		}
		what := "through a pointer"
		if c.Symbol != "" {
			what = c.Symbol
		}
		r := splice.Refuse(splice.CodeUnwinding, c.Function, c.Section, c.Offset,
			"it calls %s, an exception may come from there, %s handles exceptions", what, above)
		return x.require(r)
	}
	return nil
}

// above returns the name of a module that handles exceptions and is, or calls,
// one that is patched; "" when there is none.
func (x *exceptions) above() (string, error) {
	done := map[int]bool{}
	for _, m := range x.modules {
		for _, c := range x.callers(m) {
			if done[c] {
				continue
			}
			done[c] = true
			handles, err := x.handles(c)
			if handles || err != nil {
				return x.image.Modules()[c].Name, err
			}
		}
	}
	return "", nil
}

// callers returns a module and all that may call it: those that take a function
// from it, and those that take one from these. If one of them was written in a
// language with exceptions, that is all modules: it may have given anybody
// something to call back. A library that nobody takes anything from was opened by
// name, so that anybody may call it, too.
func (x *exceptions) callers(module int) []int {
	list := []int{module}
	in := map[int]bool{module: true}
	for i := 0; i < len(list); i++ {
		for name, by := range x.importers() {
			if !x.image.Exports(list[i], name) {
				continue
			}
			for _, m := range by {
				if !in[m] && !x.isRuntime(m) {
					in[m], list = true, append(list, m)
				}
			}
		}
	}
	known := len(list) > 1 || x.image.Modules()[module].Main
	if known && !slices.ContainsFunc(list, x.throws) {
		return list
	}
	for m := range x.image.Modules() {
		if !in[m] && !x.isRuntime(m) {
			list = append(list, m)
		}
	}
	return list
}

// throws reports whether a module was written in a language with exceptions: it
// refers to what these need, or has mangled names (Itanium C++ ABI, 5.1; Rust's
// legacy names are of the same form).
func (x *exceptions) throws(m int) bool {
	if x.foreign == nil {
		x.foreign = map[int]bool{}
		for name, by := range x.importers() {
			for _, m := range by {
				x.foreign[m] = x.foreign[m] || isExceptional(name)
			}
		}
		for _, s := range x.image.Symbols() {
			if isExceptional(s.Name) {
				x.foreign[s.Module] = true
			}
		}
	}
	return x.foreign[m]
}

func isExceptional(name string) bool {
	return strings.HasPrefix(name, "_Z") || strings.HasPrefix(name, "_Unwind_") || name == "__cxa_throw" || name == "__cxa_begin_catch" || name == "__gxx_personality_v0"
}

// importers returns the modules that take a symbol from others, by its name.
func (x *exceptions) importers() map[string][]int {
	if x.byName == nil {
		x.byName = map[string][]int{}
		for m := range x.image.Modules() {
			for _, name := range x.image.Imports(m) {
				x.byName[name] = append(x.byName[name], m)
			}
		}
	}
	return x.byName
}

// handles reports whether a module handles exceptions: it catches some, or has
// something to do when one passes and threads can be cancelled, which unwinds
// their stacks too. Without unwind information it is not passed by any.
func (x *exceptions) handles(m int) (bool, error) {
	t := x.tables[m]
	if t == nil {
		return false, nil
	}
	h, err := t.Handlers(x.mem)
	if err != nil || h.Catch {
		return true, nil // a damaged table proves nothing
	}
	return h.Cleanup && x.canCancel(), nil
}

// canCancel reports whether some module ends threads in a way that unwinds their
// stacks (pthreads(7), pthread_cancel(3)). Of a program that was linked statically
// nothing tells: the C library brings these functions in any case.
func (x *exceptions) canCancel() bool {
	if x.cancels != nil {
		return *x.cancels
	}
	can := false
	for name := range unwinds {
		can = can || slices.ContainsFunc(x.importers()[name], func(m int) bool { return !x.isRuntime(m) })
	}
	x.cancels = &can
	return can
}

// unwinds are functions that unwind a stack without an exception.
var unwinds = map[string]bool{"pthread_cancel": true, "pthread_exit": true, "thrd_exit": true}

// runtimes begin the names of the libraries that the language brings: none of
// their functions calls into a program but through what the program gave them,
// and what that throws passes.
var runtimes = []string{"libc.so", "libc-", "libm.so", "libm-", "libpthread", "libdl", "librt", "ld-linux", "ld-musl", "libc.musl", "libstdc++", "libgcc_s", "libc++", "libunwind", "linux-vdso", "[vdso]"}

// cLibrary begins the names of the libraries of which nothing throws.
var cLibrary = runtimes[:10]

func (x *exceptions) isRuntime(m int) bool { return x.isOf(m, runtimes) }

func (x *exceptions) isOf(m int, names []string) bool {
	if m == image.NoModule {
		return false
	}
	base := path.Base(x.image.Modules()[m].Name)
	for _, n := range names {
		if strings.HasPrefix(base, n) {
			return true
		}
	}
	return false
}

// quiet reports whether no exception can come out of a call: it is to a function
// of the C library that does not call back. What cancels a thread may come out of
// those too.
func (x *exceptions) quiet(c *splice.Call) bool {
	return neverThrow[c.Symbol] || !x.canCancel() && x.returns(c)
}

// returns reports whether a call is to a function of the C library that calls
// nothing of the program's, and returns on the stack that it was called on.
func (x *exceptions) returns(c *splice.Call) bool {
	if neverThrow[c.Symbol] {
		return true
	}
	if c.Import == nil || callBack[c.Symbol] {
		return false
	}
	if c.Import.Address != nil {
		return x.isOf(x.modules[c.Import.Address.Module], cLibrary)
	}
	addr, err := x.image.Resolve(x.modules[0], c.Symbol)
	if err != nil {
		return false
	}
	_, m := x.image.ModuleAt(addr)
	return x.isOf(m, cLibrary)
}

// sealed reports whether no pointer to the memory of the update can be anywhere
// but in registers and on the stacks of threads: it hands out no address of its
// own, and the return addresses of its calls are on the stack that they were made
// on.
func (x *exceptions) sealed() (bool, error) {
	if by, err := x.linker.Takes(); by != "" || err != nil {
		return false, err
	}
	calls, err := x.linker.Calls()
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(calls, func(c splice.Call) bool { return !x.returns(&c) }), nil
}

// neverThrow are functions that every program has, wherever it has them.
var neverThrow = set("__stack_chk_fail", "memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "strcmp", "strncmp", "strcpy",
	"strncpy", "strchr", "strrchr", "strstr", "malloc", "calloc", "realloc", "free", "abort", "__errno_location")

// callBack are the functions of the C library that call what they are given, or
// what was registered.
var callBack = set("qsort", "qsort_r", "bsearch", "lfind", "lsearch", "tsearch", "tfind", "tdelete", "twalk", "twalk_r", "tdestroy",
	"ftw", "ftw64", "nftw", "nftw64", "glob", "glob64", "scandir", "scandir64", "scandirat", "scandirat64", "pthread_once", "call_once",
	"dl_iterate_phdr", "dlopen", "dlmopen", "dlclose", "exit", "quick_exit", "argp_parse", "pthread_exit", "thrd_exit", "raise", "swapcontext",
	"setcontext", "makecontext", "longjmp", "_longjmp", "siglongjmp", "__longjmp_chk", "vfork", "clone")

func set(names ...string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}
