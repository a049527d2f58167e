package module

import (
	"maps"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// The exit function of a module that is patched (__exit, module_exit()) is not traced. The
// kernel calls it by the member exit of struct module, which has no other reader
// (delete_module of kernel/module/main.c): so the update writes there, once the transition is
// over, and back before it is undone. During a transition the module can't be removed. What the
// exit function calls, and nothing else does, travels with it.

// MethodExit sets the function that the kernel calls when the module is removed.
const MethodExit = "exit"

// FindingExit is the code of the finding about an exit function that is replaced.
const FindingExit elfdiff.Code = "exit"

// An exited is the exit function of a module.
type exited struct {
	Function
	to ko.Dest // the new one
}

// isExit reports whether a function is the one that the kernel calls when the module of
// the object is removed.
func (o *kobject) isExit(addr uint64) bool {
	if o.target == nil {
		return false
	}
	list := o.target.mod.Lookup(kerneltab.ModuleExit)
	if len(list) != 1 {
		return false
	}
	at, ok := o.target.symbol(&list[0])
	here, known := o.target.at(addr)
	return ok && known && at == here
}

// exit plans the replacement of an exit function.
func (l *linker) exit(out *patched, r *extract.Replacement, f *reloc.FuncResult) {
	e := &exited{Function: out.Function, to: out.to}
	e.Method = MethodExit
	if l.endbr(r, f) {
		l.refused.add(refuse(CodeNoFentry, r.Name, l.obj.name(), f.Address, "the new exit function does not begin with ENDBR64, which the running one does"))
		return
	}
	l.old(&e.Function, r, f, func(string, *reloc.FuncResult) {})
	l.obj.exit = e
}

// endbr reports whether the running function has an ENDBR64, for who calls it by a pointer,
// and the new one has none.
func (l *linker) endbr(r *extract.Replacement, f *reloc.FuncResult) bool {
	b := make([]byte, amd64.EndbrSize)
	if err := l.part.Image.ReadAddr(b, f.Address); err != nil || !isEndbr(b) {
		return false
	}
	s := &l.Spec.Symbols[r.New]
	code := l.Spec.Sections[s.Section].Data
	return s.Value > uint64(len(code)) || !isEndbr(code[s.Value:])
}

func isEndbr(b []byte) bool {
	in, err := amd64.Decode(b)
	return err == nil && in.Class == amd64.Endbr
}

// hasExits reports whether the update knows of exit functions: it replaces some, or may
// replace an update that does.
func (b *builder) hasExits() bool {
	for _, o := range b.objects {
		if o.exit != nil {
			return true
		}
	}
	return b.opt.Replace
}

// exits writes the rows of the exit functions, and links what goes over them.
func (b *builder) exits() {
	if !b.hasExits() || len(b.refused) > 0 {
		return
	}
	n := 1
	for _, o := range b.objects {
		if o.exit != nil {
			n++
		}
	}
	b.rows = b.code.AddTable(b.Data(), "exit_rows", "exit_function", n)
	n = 0
	for _, o := range b.objects {
		if o.exit == nil {
			continue
		}
		old, _ := o.target.at(o.exit.Addr)
		o.fixups = append(o.fixups, fixup{sec: b.rows.Section, off: b.rows.Offset(n, "old"), size: 8, to: old})
		b.rows.Refer(n, "new", o.exit.to)
		b.rows.Refer(n, "name", b.Literal(o.name()))
		o.exitRow = b.rows.Dest(n)
		n++
	}
	b.code.Add("states", "", nil)
	b.code.Add("module_exit", "", nil)
}

// replacedExits has callbacks of the kernel itself take over the exit functions of updates
// that are replaced. It returns what stands for the callbacks of the patch from now on.
func (b *builder) replacedExits(o *kobject, own map[string]ko.Dest) map[string]ko.Dest {
	code := b.code.Add("replace_exits", "", own)
	own = maps.Clone(own)
	for _, name := range []string{"pre_patch", "post_unpatch"} {
		o.hooks[name] = code.Symbol("exits_" + name)
		own["patch_"+name] = o.hooks[name]
	}
	return own
}

// exitFindings says what is different about exit functions.
func (b *builder) exitFindings() (out []elfdiff.Finding) {
	for _, o := range b.objects {
		if o.exit != nil {
			out = append(out, elfdiff.Finding{
				Code: FindingExit, Severity: elfdiff.Carried, Symbol: o.exit.Name, Section: o.name(),
				Message: "the kernel calls it when the module is removed: struct module leads to the new one from the end of the transition on, and during one the module can't be removed",
				Hint:    "see that it undoes what the module's init function did, which is the old one also where the module is loaded later",
			})
		}
	}
	return out
}
