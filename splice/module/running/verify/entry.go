package verify

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/internal/entries"
)

// entry checks a function that an update of package module replaces: "show,0", and in modules
// "8021q:show,0".
func (u *updating) entry(text string) {
	e := Entry{State: Unknown}
	name, pos, _ := strings.Cut(text, ",")
	if mod, rest, ok := strings.Cut(name, ":"); ok {
		e.Module, name = mod, rest
	}
	e.Function = name
	n, err := strconv.ParseUint(pos, 10, 64)
	old, ok := u.old(e.Module, name, n)
	switch {
	case err != nil:
		e.Why = fmt.Sprintf("%.80q is no function and position", text)
	case !ok && e.Module != "" && !u.loaded(e.Module):
		e.State, e.Why = Waiting, "its module is not loaded"
	case !ok:
		e.State, e.Why = Differs, "the kernel has no function of that name and position"
	default:
		e.Address = old
		u.follow(&e, name)
	}
	u.Entries = append(u.Entries, e)
}

func (u *updating) loaded(module string) bool {
	for i := range u.img.Modules() {
		if u.img.Modules()[i].Name == module {
			return true
		}
	}
	return false
}

// old returns where a function is, by its position as livepatch counts it.
func (u *updating) old(module, name string, pos uint64) (uint64, bool) {
	for _, s := range u.img.Lookup(name) {
		if s.Module < 0 || (module == "") != (s.Module == 0) || module != "" && u.img.Modules()[s.Module].Name != module {
			continue
		}
		if p, ok := u.img.SymPos(s); ok && (p == pos || pos <= 1 && p <= 1) {
			return s.Addr, true
		}
	}
	return 0, false
}

// follow finds out where calls of a function lead, and whether that is the new function of the
// update. Without a name, any function of it will do.
func (u *updating) follow(e *Entry, name string) {
	if p, ok := u.live[e.Address]; ok {
		e.By, e.New = module.MethodFtrace, p.New
		if why := entries.Untraced(u.img, e.Address); why != "" {
			e.State, e.Why = Differs, why
			return
		}
	} else if to, ok := entries.Jump(u.img, e.Address); ok {
		e.By, e.New = module.MethodJump, to
	} else if entries.Probed(u.img, e.Address) {
		e.State, e.Why = Unknown, "a probe stands at its start, and where its handler leads can't be seen"
		return
	} else if entries.IsExit(u.img, e.Address) {
		e.State, e.Why = Unknown, "it runs when the module is removed, by struct module, which is not looked at"
		return
	} else {
		e.State, e.Why = Inactive, "its calls stay in it"
		return
	}
	m, n := u.img.ModuleAt(e.New)
	switch {
	case m == nil:
		e.State, e.Why = Differs, fmt.Sprintf("its calls lead to %#x, which is in no module", e.New)
	case n != u.module:
		e.State, e.Why = Replaced, "its calls lead to "+m.Name
	case u.match == nil:
		e.State, e.Why = Unknown, "its calls lead to code whose file is not given"
	default:
		e.State, e.Why = Differs, fmt.Sprintf("its calls lead to %#x, where the file has no function of that name that matches", e.New)
		if u.late {
			e.State = Unknown
		}
		for i := range u.match.Functions {
			f := &u.match.Functions[i]
			if f.Verdict == reloc.Matched && f.Address == e.New && (name == "" || f.Name == name || strings.HasPrefix(f.Name, name+".") || strings.HasPrefix(name, f.Name+".")) {
				e.State, e.Why = Proven, ""
			}
		}
	}
}
