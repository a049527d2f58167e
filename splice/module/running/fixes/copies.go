package fixes

import (
	"fmt"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/splice/module/internal/entries"
)

// copies looks, where all of an object is with the change, for what another update may have kept
// of it as it was: the compiler may have put a function that the change touches into a function
// that only the other update replaces. It lists those of them that calls lead to, and that call
// less of what changes than the kernel's own code does. A function that begins to use what
// changes with the other update is not known here.
func (m *matching) copies(list []Function) (out []Function) {
	with := map[string]bool{} // the modules with the code with the change
	for i := range list {
		if list[i].Runs != Post {
			return nil
		}
		with[list[i].In] = true
	}
	for _, caller := range m.Callers {
		for _, old := range m.places(caller.Name) {
			to, ok := m.leads(old)
			mod, _ := m.img.ModuleAt(to)
			if !ok || mod == nil || with[mod.Name] {
				continue
			}
			n, err := m.calls(to)
			if err == nil && n >= caller.Calls {
				continue
			}
			out = append(out, Function{
				Name: caller.Name, Object: m.Name, Module: m.Module, Runs: Other, In: mod.Name, Address: to,
				Why: fmt.Sprintf("%s replaces it, and may hold what the fix changes as it was before: %d of its %d calls of that are there", mod.Name, n, caller.Calls),
			})
		}
	}
	return out
}

// places returns the addresses of the functions of a name in the module that the object is of.
func (m *matching) places(name string) (list []uint64) {
	for _, s := range m.img.Lookup(name) {
		if mod, i := m.img.ModuleAt(s.Addr); mod != nil && (mod.Name == m.home || i == 0 && m.home == vmlinux) {
			list = append(list, s.Addr)
		}
	}
	return list
}

// leads returns where calls of a function lead instead.
func (m *matching) leads(old uint64) (uint64, bool) {
	if p, ok := m.img.LivepatchAt(old); ok {
		return p.New, true
	}
	to, ok := entries.Jump(m.img, old)
	_, from := m.img.ModuleAt(old)
	_, in := m.img.ModuleAt(to)
	return to, ok && in != from
}

// calls counts the direct calls of functions that the object changes, and the jumps there, in a
// function.
func (m *matching) calls(at uint64) (n int, err error) {
	code, err := m.code(at)
	if err != nil {
		return 0, err
	}
	for off := 0; off < len(code); {
		in, err := amd64.Decode(code[off:])
		if err != nil {
			return n, err
		}
		if to, ok := in.Target(code[off:], at+uint64(off)); ok && m.old[to] {
			n++
		}
		off += int(in.Len)
	}
	return n, nil
}

// maxCode bounds how much of a function is read.
const maxCode = 1 << 20

// code reads a function, as far as symbols say.
func (m *matching) code(at uint64) ([]byte, error) {
	end, ok := m.img.NextSymbol(at + 1)
	if s, _, has := m.img.SymbolAt(at); has && s.Size > 0 {
		end, ok = s.Addr+s.Size, true
	}
	if r := m.img.RegionAt(at); r != nil && (!ok || end > r.End) {
		end = r.End
	}
	if end <= at || end-at > maxCode {
		return nil, fmt.Errorf("the end of the function at %#x is not known", at)
	}
	code := make([]byte, end-at)
	return code, m.img.ReadAddr(code, at)
}

// remember keeps where a function is that the object changes.
func (m *matching) remember(places ...found) {
	for _, w := range places {
		if w.addr != 0 {
			m.old[w.addr] = true
		}
	}
}
