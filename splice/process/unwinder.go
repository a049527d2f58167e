//go:build linux && amd64

package process

import (
	"bytes"
	"encoding/binary"
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
	code   []byte // in the end without the hooks of updates
}

// maxFindFDE bounds what is read of findFDE, in bytes.
const maxFindFDE = 1 << 14

// findUnwinders lists the unwinders of the process. They have to be all that may
// see the new code: each that another module takes functions of, and one in each
// module that does not take them from elsewhere. Otherwise why says what is in the
// way, and where.
func (x *exceptions) findUnwinders() (list []unwinder, where, why string) {
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
func (x *exceptions) require(r *splice.Refusal) error {
	list, where, why := x.findUnwinders()
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

// afar changes an address into one that only a long jump reaches.
const afar = 1 << 46

// hook appends the code of one hook to the stubs. The jump to it is a long one where
// there is room: jumps of updates near by and far away take each other's place.
func (u *unwinder) hook(p *plan, next, table uint64) (recordHook, error) {
	f := splice.Function{Name: findFDE, Module: u.module, Addr: u.addr, Code: u.code}
	entry := p.at.stubs + uint64(len(p.stub))
	h := recordHook{Module: u.module, Address: u.addr, Entry: entry, Next: next, OldPath: entry + hookRoom}
	old, err := h.lead(&f, u.addr^afar)
	if err != nil {
		old, err = h.lead(&f, entry)
	}
	if err != nil {
		return recordHook{}, err
	}
	code := []byte(hookCode)
	for _, field := range []struct{ off, to uint64 }{
		{hookLow, p.at.code}, {hookHigh, p.at.stubs}, {hookTable, table}, {hookNext, next},
	} {
		binary.LittleEndian.PutUint32(code[field.off:], uint32(field.to-(entry+field.off+4)))
	}
	p.stub = append(append(p.stub, filled(code)...), filled(old)...)
	return h, nil
}

// lead works out the jump to the hook, of a form that reaches an address, and returns
// the instructions that it overwrites, displaced.
func (h *recordHook) lead(f *splice.Function, to uint64) ([]byte, error) {
	way, err := splice.Plan(*f, to)
	if err != nil {
		return nil, err
	}
	direct, err := splice.Jump(way.Form, way.At, h.Entry)
	if err != nil {
		return nil, err
	}
	n := uint64(len(direct.Bytes))
	if direct.Crosses() {
		return nil, splice.Refuse(splice.CodePageCrossing, f.Name, f.Module, direct.At, "the %d bytes of the jump lie in two pages", n)
	}
	skip := direct.At - f.Addr
	h.At, h.Orig, h.Direct = direct.At, f.Code[skip:skip+n], direct.Bytes
	old, err := movedPrologue(f, skip, n, h.OldPath)
	if err != nil {
		r := splice.Refuse(splice.CodeMoved, f.Name, f.Module, f.Addr, "its first instructions can't be moved")
		r.Err = err
		return nil, r
	}
	return old, nil
}
