package lint

import (
	"debug/elf"
	"math/bits"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// shfLivepatch marks relocations that livepatch applies (SHF_RELA_LIVEPATCH of
// include/uapi/linux/elf.h).
const shfLivepatch elf.SectionFlag = 0x00100000

// knownFlags are those that sections with memory may have. SHF_GNU_RETAIN is not among them: the
// loader takes it for its own SHF_RO_AFTER_INIT (include/linux/module.h).
const knownFlags = elf.SHF_WRITE | elf.SHF_ALLOC | elf.SHF_EXECINSTR | elf.SHF_MERGE | elf.SHF_STRINGS | elf.SHF_INFO_LINK | elf.SHF_LINK_ORDER | elf.SHF_GROUP

// isLoaded reports whether a section has memory once the module is loaded.
func isLoaded(s *elfobj.Section) bool {
	return s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NULL && s.Type != elf.SHT_RELA && kerneltab.MemoryOf(s.Name) != kerneltab.MemoryUnloaded
}

func isCode(s *elfobj.Section) bool { return s.Flags&elf.SHF_EXECINSTR != 0 }

// isInit reports whether the loader frees a section when the module is initialised.
func isInit(s *elfobj.Section) bool { return strings.HasPrefix(s.Name, kerneltab.Init) }

const (
	pageSize = 4096
	maxArea  = 1 << 30 // more than the area for modules has room for
)

// sections looks at the sections.
func (c *checker) sections() bool {
	if c.obj.Type != elf.ET_REL {
		c.wrong(CodeDamaged, "", 0, "", "it is no relocatable object: %v", c.obj.Type)
		return false
	}
	count, total := map[string]int{}, uint64(0)
	for _, s := range c.obj.Sections {
		count[s.Name]++
		switch {
		case s.Type == elf.SHT_REL:
			c.wrong(CodeReloc, s.Name, 0, "", "the loader refuses relocations without addends")
		case s.Type == elf.SHT_RELA:
			c.relaSection(s)
		case s.Flags&elf.SHF_ALLOC != 0 && s.Type != elf.SHT_NULL:
			total += min(s.Size, maxArea)
			c.loadedSection(s)
		}
	}
	if total >= maxArea {
		c.wrong(CodeSection, "", 0, "", "its sections take more memory than modules have")
	}
	for _, name := range []string{kerneltab.ThisModule, kerneltab.Modinfo} {
		if count[name] != 1 {
			c.wrong(CodeSection, name, 0, "", "it has %d sections of this name, where the loader wants one", count[name])
		}
	}
	return true
}

// relaSection looks at the header of relocations. Their target is looked at with them.
func (c *checker) relaSection(s *elfobj.Section) {
	object, target, klp := livepatchRela(s.Name)
	switch {
	case klp && s.Flags&shfLivepatch == 0:
		c.wrong(CodeReloc, s.Name, 0, "", "it is called as relocations for livepatch, and has not their flag: the loader does not know its symbols")
	case !klp && s.Flags&shfLivepatch != 0:
		c.wrong(CodeReloc, s.Name, 0, "", "it has the flag of relocations for livepatch, and not their name: .klp.rela.OBJECT.SECTION")
	case klp && object == "":
		c.wrong(CodeReloc, s.Name, 0, "", "its name has no object")
	}
	to := c.obj.Section(elfobj.SectionIndex(s.Info))
	if klp && to != nil && to.Name != target {
		c.doubt(CodeReloc, s.Name, 0, "", "its name says that it is for %s, and it is for %s", target, to.Name)
	}
}

// livepatchRela takes the name of a section of relocations for livepatch apart
// (Documentation/livepatch/module-elf-format.rst).
func livepatchRela(name string) (object, section string, ok bool) {
	rest, ok := strings.CutPrefix(name, kerneltab.LivepatchRela)
	if !ok {
		return "", "", false
	}
	object, section, _ = strings.Cut(rest, ".")
	return object, section, true
}

// loadedSection looks at a section that is loaded.
func (c *checker) loadedSection(s *elfobj.Section) {
	code := isCode(s)
	switch {
	case code && s.Flags&elf.SHF_WRITE != 0:
		c.wrong(CodeSection, s.Name, 0, "", "it can be written to and executed: the loader refuses that")
	case code && s.Type != elf.SHT_PROGBITS:
		c.wrong(CodeSection, s.Name, 0, "", "it is code, and its type is %v", s.Type)
	case s.Flags&^knownFlags != 0:
		c.wrong(CodeSection, s.Name, 0, "", "the loader knows nothing of its flags %v, or means something else by them", s.Flags)
	case bits.OnesCount64(s.Addralign) > 1:
		c.wrong(CodeSection, s.Name, 0, "", "its alignment is %d, which is no power of two", s.Addralign)
	case s.Addralign > pageSize:
		c.doubt(CodeSection, s.Name, 0, "", "it wants to be aligned to %d bytes, and the loader gives a page at most", s.Addralign)
	}
	switch s.Type {
	case elf.SHT_PROGBITS, elf.SHT_NOBITS, elf.SHT_NOTE, elf.SHT_INIT_ARRAY, elf.SHT_FINI_ARRAY:
	default:
		c.doubt(CodeSection, s.Name, 0, "", "its type %v means nothing to the loader", s.Type)
	}
	if want, known := kindOf(s.Name); known && want != code {
		c.wrong(CodeSection, s.Name, 0, "", "it is %s by its name, and %s by its flags", kind(want), kind(code))
	}
	if row := kerneltab.Of(s.Name); row != nil && row.Module.Flags&elf.SHF_WRITE != 0 && s.Flags&elf.SHF_WRITE == 0 {
		c.wrong(CodeSection, s.Name, 0, "", "the kernel writes to it, and it has no flag for that")
	}
	if _, err := s.Data(); err != nil {
		c.wrong(CodeDamaged, s.Name, 0, "", "%v", err)
	}
}

func kind(code bool) string {
	if code {
		return "code"
	}
	return "data"
}

// kindOf tells by a section's name whether it is code.
func kindOf(name string) (code, known bool) {
	row := kerneltab.Of(name)
	if row == nil {
		return false, false
	}
	switch to := row.Module.To; {
	case to == "":
		return false, false
	default:
		return row.Module.Flags&elf.SHF_EXECINSTR != 0, true
	}
}

// symbols looks at the symbol table.
func (c *checker) symbols() bool {
	for i := range c.syms {
		s := &c.syms[i]
		if i == 0 || s.Type() == elf.STT_FILE {
			continue
		}
		switch {
		case s.Section == elfobj.SecUndef && s.Name == "":
			c.wrong(CodeSymbol, "", 0, "", "symbol %d is undefined, and has no name", i)
		case s.Section == elfobj.SecCommon:
			c.wrong(CodeSymbol, "", 0, s.Name, "it has no place yet (common): the loader refuses that")
		case s.Section == elfobj.SecLivepatch:
			c.livepatchSymbol(s)
		case s.Section == elfobj.SecUndef || s.Section == elfobj.SecAbs:
		case s.Section.IsReserved():
			c.wrong(CodeSymbol, "", 0, s.Name, "the loader does not know where it is: section index %#x", uint32(s.Section))
		default:
			c.defined(s)
		}
	}
	return true
}

// defined looks at a symbol that has a place in the file.
func (c *checker) defined(s *elfobj.Symbol) {
	in := c.section(s.Section)
	if in == nil {
		return
	}
	function := s.Type() == elf.STT_FUNC || s.Type() == elf.STT_GNU_IFUNC
	switch {
	case s.Value > in.Size || s.Size > in.Size-s.Value:
		c.wrong(CodeSymbol, in.Name, s.Value, s.Name, "it reaches over the end of its section, which has %d bytes", in.Size)
	case function && !isCode(in):
		c.wrong(CodeSymbol, in.Name, s.Value, s.Name, "it is a function, and stands in data")
	}
}
