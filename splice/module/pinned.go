package module

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// What an update brings along is gone when its module is. Where somebody else may know
// an address of it then, in an object that lives on, in a list of the kernel, in a
// constant that was overwritten, the module is pinned: it has no exit function, so that
// the kernel refuses to remove it (EBUSY, delete_module of kernel/module/main.c). It can
// be disabled like any other. The kernel takes back by itself what it reads from the
// tables of a module (static branches and calls, bugs, dynamic debug, tracepoints).

// originals finds the literals of the running kernel that are as good as those that
// travel, by the sections of these.
func (l *linker) originals() {
	l.there = map[elfobj.SectionIndex]ko.Dest{}
	for _, o := range l.carried.Originals {
		addr, ok := l.pair.Match.AtomAddr(o.Pre)
		if !ok {
			continue
		}
		name := l.pair.Diff.Pre.Atom(o.Pre).Name
		if t := l.obj.target; t != nil {
			if to, in := t.at(addr); in && t.mod.Parts[to.Part-firstPart].Field >= 0 {
				l.there[o.Section] = to
			}
			continue
		}
		if to, _, err := l.reach(name, addr); err == nil && !l.image.IsPerCPU(addr) {
			l.there[o.Section] = to
		}
	}
}

// copyFor returns the update's own copy of a literal that a module has, for a table that the loader
// reads before the module is there. What keeps its address refers to that of the module.
func (l *linker) copyFor(sec *ko.Section, r *elfobj.Rela) (ko.Dest, bool) {
	s := &l.Spec.Symbols[r.Sym]
	to, ok := l.there[s.Section]
	if !ok || to.Part == 0 || filledIn(sec) || l.relasOf(s.Section) != nil {
		return ko.Dest{}, false
	}
	if l.Homes[s.Section].Section == nil {
		if err := l.Place(int(s.Section), l.Spec.Sections[s.Section].Data); err != nil {
			return ko.Dest{}, false
		}
	}
	h := l.Homes[s.Section]
	return ko.Dest{Symbol: h.Section.Anchor, Addend: int64(h.Offset + s.Value), Memory: h.Section.Memory()}, true
}

// findPins collects what pins the module.
func (b *builder) findPins(all []*linker) {
	for _, l := range all {
		found := map[object.AtomID]bool{}
		for _, o := range l.carried.Originals {
			_, ok := l.there[o.Section]
			found[o.Pre] = ok
		}
		list := l.pair.Diff.Kept()
		for i := range list {
			k := &list[i]
			switch _, offered := b.offers[k.Symbol]; {
			case k.Post == object.NoAtom && !offered:
			case k.Post != object.NoAtom && found[k.Pre]:
			default:
				b.pin(l, k)
			}
		}
	}
}

func (b *builder) pin(l *linker, k *extract.Kept) {
	post := l.pair.Diff.Post
	a := post.Atom(k.Where)
	b.pins.add(Pin{Object: l.Object, Name: k.Name, Where: a.Name, Offset: k.Offset, How: k.How}, a.Kind != object.Func)
}

// A Pin is a reason why a module can't be removed: an address of what it brings along
// that others may have.
type Pin struct {
	Object string `json:"object"` // the object file
	Name   string `json:"name"`   // of what the address is of
	Where  string `json:"where"`  // the function, or the constant that is overwritten
	Offset uint64 `json:"offset"` // in it, in bytes
	How    string `json:"how"`    // what happens there
}

// String returns the reason on one line.
func (p *Pin) String() string {
	return fmt.Sprintf("%s %s, at %s+%#x", p.Name, p.How, p.Where, p.Offset)
}

// pins are the reasons why a module stays, and a person's word against them.
type pins struct {
	list  []Pin
	fast  bool   // one is nobody's to take back
	unpin string // see Options
}

// add adds one.
func (p *pins) add(pin Pin, fast bool) { p.list, p.fast = append(p.list, pin), p.fast || fast }

// stays reports whether the module has to stay once it is loaded.
func (p *pins) stays() bool { return len(p.list) > 0 && p.unpin == "" }

// checkUnpin looks whether somebody's word against pins can be taken.
func (b *builder) checkUnpin() {
	if b.pins.unpin == "" || len(b.pins.list) == 0 {
		return
	}
	if b.pins.fast {
		b.refused.add(refuse(CodePinned, b.pins.list[0].Name, "", 0, "a constant that is overwritten leads to it, and stays so when another update replaces this one"))
		return
	}
	for _, o := range b.objects {
		for _, name := range []string{"pre_unpatch", "post_unpatch"} {
			if _, ok := o.hooks[name]; ok {
				return
			}
		}
	}
	b.refused.add(refuse(CodePinned, b.pins.list[0].Name, "", 0, "no callback of the patch takes its address back"))
}
