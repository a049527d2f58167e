package lint

import (
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
)

// livepatch looks at the structures of livepatch.
func (c *checker) livepatch() bool {
	size := uint64(0)
	if c.kernel != nil {
		size = c.kernel.layout["klp_func"].Size
	}
	p, err := c.ko.Patch(size)
	if err != nil {
		level := Doubtful
		if c.out.Ours {
			level = Wrong
		}
		c.add(Finding{Code: CodeNotPatch, Level: level, Message: err.Error()})
		return true
	}
	c.empty(p)
	objects := map[string]bool{}
	for i := range p.Objects {
		o := &p.Objects[i]
		if objects[o.Name] {
			c.wrong(CodeStruct, c.nameOf(p.At.Section), p.At.Offset, o.Name, "livepatch has an object once, and it is there twice")
		}
		objects[o.Name] = true
		if isVmlinux(o.Name) && o.Name != "" {
			c.doubt(CodeStruct, c.nameOf(p.At.Section), p.At.Offset, o.Name, "the object is called vmlinux: livepatch means a module of that name")
		}
		c.functions(o)
	}
	return true
}

func (c *checker) nameOf(s elfobj.SectionIndex) string {
	if in := c.obj.Section(s); in != nil {
		return in.Name
	}
	return ""
}

// functions looks at those of one object.
func (c *checker) functions(o *kofile.Object) {
	seen := map[kofile.Function]bool{}
	for i := range o.Functions {
		f := &o.Functions[i]
		c.out.Functions++
		in := c.nameOf(f.At.Section)
		key := kofile.Function{Name: f.Name, Position: f.Position}
		if seen[key] {
			c.wrong(CodeStruct, in, f.At.Offset, f.Name, "it is replaced twice")
		}
		seen[key] = true
		if !c.code[f.New.Section].isFunction(f.New.Offset) {
			c.wrong(CodeStruct, in, f.At.Offset, f.Name, "what would be called instead is %s+%#x, where no function begins", c.nameOf(f.New.Section), f.New.Offset)
		}
		if c.kernel == nil {
			continue
		}
		if x, ok := c.old(o.Name, f.Name, f.Position, in, f.At.Offset); ok && !c.kernel.traced(x) {
			c.wrong(CodeUntraced, in, f.At.Offset, f.Name, "it does not begin with a call of the function tracer")
		}
	}
}

// old finds what livepatch would find, and reports when that is nothing.
func (c *checker) old(object, name string, position uint64, section string, off uint64) (old, bool) {
	list, known := c.kernel.find(object, name)
	switch {
	case !known:
		c.unchecked(object, "the module %s was not given (-module), so that %s was not looked for", object, name)
	case len(list) == 0:
		c.wrong(CodeOld, section, off, name, "the kernel has nothing of that name%s", ofObject(object))
	case position == 0 && len(list) > 1:
		c.wrong(CodePosition, section, off, name, "there are %d of that name%s, and the position is 0: livepatch refuses that", len(list), ofObject(object))
	case position > uint64(len(list)):
		c.wrong(CodePosition, section, off, name, "it is to be number %d, and there are %d of that name%s", position, len(list), ofObject(object))
	default:
		return list[max(position, 1)-1], true
	}
	return old{}, false
}

func ofObject(object string) string {
	if isVmlinux(object) {
		return ""
	}
	return " in " + object
}

// livepatchSymbol looks at a symbol that livepatch resolves: .klp.sym.OBJECT.NAME,POSITION.
func (c *checker) livepatchSymbol(s *elfobj.Symbol) {
	rest, ok := strings.CutPrefix(s.Name, kerneltab.LivepatchSymbol)
	object, rest, dot := strings.Cut(rest, ".")
	comma := strings.LastIndexByte(rest, ',')
	if !ok || !dot || object == "" || len(object) >= maxName || comma <= 0 {
		c.wrong(CodeSymbol, "", 0, s.Name, "livepatch takes names of the form %sOBJECT.NAME,POSITION", kerneltab.LivepatchSymbol)
		return
	}
	position, err := strconv.ParseUint(rest[comma+1:], 10, 64)
	if err != nil {
		c.wrong(CodeSymbol, "", 0, s.Name, "its position is no number")
		return
	}
	if c.kernel != nil {
		c.old(object, rest[:comma], position, "", 0)
	}
}

// imports looks for what the kernel and other modules have to give.
func (c *checker) imports() bool {
	c.objectsOfSymbols()
	if c.kernel == nil {
		c.unchecked("", "no kernel was given: what it exports, its structures and its functions were not looked at")
		return true
	}
	gpl := licenses[c.facts["license"]]
	spaces := c.spaces()
	for _, name := range c.ko.Imports() {
		e, ok := c.kernel.exports[name]
		switch {
		case !ok && c.facts["depends"] != "" && !c.all():
			c.unchecked(name, "the kernel does not export it, and not all modules that this one depends on were given: %s", c.facts["depends"])
		case !ok:
			c.wrong(CodeExport, "", 0, name, "the kernel does not export it")
		case e.GPL && !gpl:
			c.wrong(CodeExport, "", 0, name, "it is for modules with a licence like the GPL")
		case e.Namespace != "" && !spaces[e.Namespace]:
			c.wrong(CodeExport, "", 0, name, "it is of the namespace %s, which the module does not import", e.Namespace)
		}
	}
	return true
}

// all reports whether all modules that this one depends on were given.
func (c *checker) all() bool {
	for name := range strings.SplitSeq(c.facts["depends"], ",") {
		if _, loaded := c.kernel.loaded[name]; c.kernel.modules[name] == nil && !loaded {
			return false
		}
	}
	return true
}

// spaces are the namespaces that the module imports.
func (c *checker) spaces() map[string]bool {
	out := map[string]bool{}
	for s := range c.obj.SectionsNamed(kerneltab.Modinfo) {
		b, _ := s.Data()
		for line := range strings.SplitSeq(string(b), "\x00") {
			if ns, ok := strings.CutPrefix(line, "import_ns="); ok {
				out[ns] = true
			}
		}
	}
	return out
}

// objectsOfSymbols looks for relocations of modules that use symbols of the kernel itself, which
// livepatch refuses since Linux 5.8 (klp_resolve_symbols).
func (c *checker) objectsOfSymbols() {
	for _, s := range c.obj.Sections {
		for i := range c.relas[s.Index] {
			r := &c.relas[s.Index][i]
			if r.object == "" || isVmlinux(r.object) || int(r.Sym) >= len(c.syms) {
				continue
			}
			if strings.HasPrefix(c.syms[r.Sym].Name, kerneltab.LivepatchSymbol+"vmlinux.") {
				c.wrong(CodeReloc, r.table, r.Offset, c.syms[r.Sym].Name, "relocations for a module may not use symbols of the kernel itself")
			}
		}
	}
}
