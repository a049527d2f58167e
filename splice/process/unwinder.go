//go:build linux && amd64

package process

import (
	"bytes"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// findFDE is the function by which libgcc's unwinder finds what describes code:
// const fde *_Unwind_Find_FDE(void *pc, struct dwarf_eh_bases *bases), as it is
// since GCC 3.0, in libgcc_s and in libgcc_eh.a.
const findFDE = "_Unwind_Find_FDE"

// unwinder is one copy of libgcc's unwinder in a process.
type unwinder struct {
	index  int // of the module
	module string
	addr   uint64 // of findFDE
	code   []byte // without the hooks of updates
}

// maxFindFDE bounds what is read of findFDE, in bytes.
const maxFindFDE = 1 << 14

// findUnwinders lists the unwinders of the process. They have to be all that may
// see the new code: each that another module takes functions of, and one in each
// module that does not take them from elsewhere. Otherwise why says what is in the
// way, and where.
func (x *exceptions) findUnwinders(records []*record) (list []unwinder, where, why string) {
	for _, s := range x.image.Lookup(findFDE) {
		if !s.IsFunc() || s.Size == 0 || s.Module == image.NoModule || slices.ContainsFunc(list, func(u unwinder) bool { return u.addr == s.Addr }) {
			continue
		}
		u := unwinder{index: s.Module, module: x.image.Modules()[s.Module].Name, addr: s.Addr, code: make([]byte, min(s.Size, maxFindFDE))}
		if slices.ContainsFunc(x.image.Lookup("__unw_step"), func(o image.Symbol) bool { return o.Module == s.Module }) {
			return nil, u.module, "LLVM's unwinder looks at loaded files only"
		}
		if err := x.image.ReadAddr(u.code, u.addr); err != nil {
			return nil, u.module, err.Error()
		}
		u.unhooked(records)
		list = append(list, u)
	}
	if len(list) == 0 {
		return nil, "", "no symbol of the process is " + findFDE + " of libgcc"
	}
	for m := range x.image.Modules() {
		if where, why := x.othersUnwinder(m, list); why != "" {
			return nil, where, why
		}
	}
	return list, "", ""
}

// unhooked puts back into the code what hooks of updates were written over.
func (u *unwinder) unhooked(records []*record) {
	for _, r := range records {
		for i := range r.Hooks {
			h := &r.Hooks[i]
			off := h.At - u.addr
			if h.At < u.addr || off+uint64(len(h.Orig)) > uint64(len(u.code)) {
				continue
			}
			if now := u.code[off : off+uint64(len(h.Orig))]; bytes.Equal(now, h.Direct) {
				copy(now, h.Orig)
			}
		}
	}
}

// unwinding begins the names of what modules take of an unwinder.
const unwinding = "_Unwind_"

// othersUnwinder says why a module may be unwound by what is not in the list.
func (x *exceptions) othersUnwinder(m int, list []unwinder) (where, why string) {
	knows := func(m int) bool { return slices.ContainsFunc(list, func(u unwinder) bool { return u.index == m }) }
	name := x.image.Modules()[m].Name
	if knows(m) {
		return "", ""
	}
	takes, walks := false, x.image.Modules()[m].Main && len(x.image.Imports(m)) == 0
	for _, s := range x.image.Imports(m) {
		walks = walks || s == "dl_iterate_phdr" || s == "_dl_find_object"
		if !strings.HasPrefix(s, unwinding) {
			continue
		}
		addr, err := x.image.Resolve(m, s)
		if err != nil {
			continue // a weak symbol that nobody has
		}
		takes = true
		if _, from := x.image.ModuleAt(addr); from == image.NoModule || !knows(from) {
			return name, "it takes " + s + " from what is not libgcc"
		}
	}
	if takes || !walks || x.isOf(m, runtimes) {
		return "", ""
	}
	handles, cleans := x.lands(m)
	if handles || cleans {
		return name, "it was linked with an unwinder of its own, whose symbols are stripped"
	}
	return "", ""
}

// lands reports what the exception tables of a module do.
func (x *exceptions) lands(m int) (catches, cleans bool) {
	t := x.tables[m]
	if t == nil {
		return false, false
	}
	h, err := t.Handlers(x.mem)
	return h.Catch || err != nil, h.Cleanup
}

// require has the program's unwinders led to the new code, or refuses it.
func (x *exceptions) require(r *splice.Refusal, records []*record) error {
	list, where, why := x.findUnwinders(records)
	if why == "" {
		x.unwinders = list
		return nil
	}
	r.Message += ", and the new code can't be made known to it: "
	if where != "" {
		r.Message += where + ": "
	}
	r.Message += why
	return r
}
