package prove

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
)

// kinds of memory that a place of pre may have come to lie in.
type plausibility struct {
	ok  func(r *image.Region, writable bool) bool // writable: the section in pre has SHF_WRITE
	why string
	// kernel replaces ok in images of kernels, which mix what is written with
	// what is not: .rodata holds .data..ro_after_init, .init.data holds
	// .init.rodata (include/asm-generic/vmlinux.lds.h of Linux 6.1).
	kernel func(r *image.Region, writable bool) bool
}

func noCode(r *image.Region, _ bool) bool { return !r.Exec }

// plausible has a row for each kind of atom that references lead to. An
// address that fails its row was not put there by a linker that had this
// object in its hands.
var plausible = [...]plausibility{
	object.Func:    {func(r *image.Region, _ bool) bool { return r.Exec }, "code lies in executable memory", nil},
	object.Data:    {func(r *image.Region, _ bool) bool { return r.Write }, "variables lie in writable memory", noCode},
	object.Const:   {func(r *image.Region, w bool) bool { return r.Read && (w || !r.Write) }, "constants lie in memory that can't be written, but for .data.rel.ro of programs linked without -z relro", noCode},
	object.String:  {func(r *image.Region, w bool) bool { return r.Read && (w || !r.Write) }, "literals lie in memory that can't be written", noCode},
	object.Merge:   {func(r *image.Region, w bool) bool { return r.Read && (w || !r.Write) }, "literals lie in memory that can't be written", noCode},
	object.LSDA:    {func(r *image.Region, _ bool) bool { return r.Read }, "exception tables are read by the unwinder", nil},
	object.Unwind:  {func(r *image.Region, _ bool) bool { return r.Read }, "unwinding records are read by the unwinder", nil},
	object.Special: {func(r *image.Region, _ bool) bool { return r.Read }, "tables are read by the program", nil},
	object.Meta:    {func(*image.Region, bool) bool { return false }, "notes and debug information are not loaded", nil},
}

// implausible returns why an atom can't begin at addr, when a reference from
// module says so; "" when it can. A reference to the end of an array or to the
// place before it is not wrong: off is what the reference means.
func (m *Comparer) implausible(a *object.Atom, addr uint64, t *Trial) string {
	r := m.View.RegionAt(addr)
	if r == nil && a.Size == 0 && addr > 0 { // what has no bytes may stand behind the last one of its section
		r = m.View.RegionAt(addr - 1)
	}
	if r == nil {
		return "nothing is mapped there"
	}
	if r.Freed || r.Unknown {
		return ""
	}
	if r.Module != m.moduleFor(t) && r.Module != image.NoModule && !m.mayBeCopied(a, t) {
		return "what the object defines lies in its own module"
	}
	if a.Aside {
		if !r.Exec {
			return "code lies in executable memory"
		}
		return ""
	}
	writable := m.Pre.File.Sections[a.Section].Flags&elf.SHF_WRITE != 0
	if int(a.Kind) >= len(plausible) || plausible[a.Kind].ok == nil {
		return ""
	}
	p := &plausible[a.Kind]
	ok := p.ok
	if p.kernel != nil && m.Image.IsKernel() {
		ok = p.kernel
	}
	if !ok(r, writable) {
		return p.why
	}
	if a.Size > 0 && addr+a.Size-1 >= r.End && m.View.RegionAt(addr+a.Size-1) == nil {
		return "it would reach beyond what is mapped"
	}
	return ""
}

// IsFreed reports whether an address is in memory that a running kernel has
// freed since it started.
func (m *Comparer) IsFreed(addr uint64) bool {
	r := m.View.RegionAt(addr)
	return r != nil && r.Freed
}

// moduleFor returns the module in which what a trial refers to has to lie.
func (m *Comparer) moduleFor(t *Trial) int {
	if t.away {
		return t.home
	}
	return m.ModuleOf(t.Addr)
}

// mayBeCopied reports whether something that an object defines may lie in
// another module of a running kernel: livepatches bring constants and functions
// along.
func (m *Comparer) mayBeCopied(a *object.Atom, t *Trial) bool {
	return m.Image.IsRunning() && t.away && (a.Kind == object.Const || a.Kind == object.Func || a.Kind.IsLiteral())
}
