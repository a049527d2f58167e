package lint

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// maxName is the length of a module's name with the NUL (MODULE_NAME_LEN of
// include/linux/module.h).
const maxName = 56

// licenses are those with which the kernel gives a module what is for the GPL alone
// (license_is_gpl_compatible of include/linux/license.h), klp_enable_patch among it.
var licenses = map[string]bool{"GPL": true, "GPL v2": true, "GPL and additional rights": true, "Dual BSD/GPL": true, "Dual MIT/GPL": true, "Dual MPL/GPL": true}

// info looks at .modinfo.
func (c *checker) info() bool {
	c.facts = map[string]string{}
	for s := range c.obj.SectionsNamed(kerneltab.Modinfo) {
		b, err := s.Data()
		if err != nil {
			return true
		}
		if len(b) == 0 || b[len(b)-1] != 0 {
			c.wrong(CodeInfo, s.Name, uint64(len(b)), "", "nothing ends its last line")
		}
		off := uint64(0)
		for line := range bytes.SplitSeq(b, []byte{0}) {
			key, value, ok := strings.Cut(string(line), "=")
			if !ok && len(line) > 0 {
				c.doubt(CodeInfo, s.Name, off, "", "%.40q is no line of it", line)
			}
			if _, twice := c.facts[key]; !twice {
				c.facts[key] = value // the first counts
			}
			off += uint64(len(line)) + 1
		}
		c.lines(s.Name)
		return true
	}
	return true
}

// lines looks at what the lines of .modinfo say.
func (c *checker) lines(section string) {
	name, magic := c.facts["name"], c.facts["vermagic"]
	c.out.Name = name
	if name == "" || len(name) >= maxName || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }) {
		c.wrong(CodeInfo, section, 0, "name", "%.80q is no name of a module", name)
	}
	if _, ok := c.facts["livepatch"]; !ok {
		c.wrong(CodeInfo, section, 0, "livepatch", "it does not say that it is a livepatch (livepatch=Y): klp_enable_patch refuses it")
	}
	if !licenses[c.facts["license"]] {
		c.wrong(CodeInfo, section, 0, "license", "livepatch is not for the licence %.40q", c.facts["license"])
	}
	if _, ok := c.facts["retpoline"]; !ok {
		c.doubt(CodeInfo, section, 0, "retpoline", "it does not say that it was compiled with retpolines: the kernel marks itself as vulnerable")
	}
	switch {
	case magic == "":
		c.wrong(CodeInfo, section, 0, "vermagic", "it does not say for which kernel it is")
	case c.kernel == nil || c.kernel.magic == "":
	case !sameMagic(magic, c.kernel.magic, c.hasVersions()):
		c.wrong(CodeBuild, section, 0, "vermagic", "it is for %.80q, and the kernel is %.80q", magic, c.kernel.magic)
	}
}

// sameMagic compares as the loader does: where symbols have versions, these count instead of the
// release (same_magic of kernel/module/version.c).
func sameMagic(a, b string, versions bool) bool {
	if versions {
		_, a, _ = strings.Cut(a, " ")
		_, b, _ = strings.Cut(b, " ")
	}
	return strings.TrimRight(a, " ") == strings.TrimRight(b, " ")
}

// hasVersions reports whether the module has versions of symbols.
func (c *checker) hasVersions() bool {
	_, ok := c.ko.Versions()
	return ok
}

const versionRow, versionName = 64, 8 // struct modversion_info

// versions looks at the CRCs of symbols.
func (c *checker) versions() bool {
	seen := map[string]bool{}
	for s := range c.obj.SectionsNamed(kerneltab.Versions) {
		b, err := s.Data()
		if err != nil {
			return true
		}
		if len(b)%versionRow != 0 {
			c.wrong(CodeVersion, s.Name, 0, "", "its %d bytes are no whole entries", len(b))
		}
		for off := 0; off+versionRow <= len(b); off += versionRow {
			c.version(s, uint64(off), b[off:off+versionRow], seen)
		}
		c.unversioned(s, seen)
	}
	return true
}

// version looks at one.
func (c *checker) version(s *elfobj.Section, off uint64, row []byte, seen map[string]bool) {
	name, rest, ended := bytes.Cut(row[versionName:], []byte{0})
	crc := binary.LittleEndian.Uint64(row)
	switch {
	case !ended || !zero(rest) || len(name) == 0:
		c.wrong(CodeVersion, s.Name, off, string(name), "it is no entry of versions")
		return
	case crc>>32 != 0:
		c.wrong(CodeVersion, s.Name, off, string(name), "%#x is no CRC", crc)
	case seen[string(name)]:
		c.doubt(CodeVersion, s.Name, off, string(name), "it is there twice")
	}
	seen[string(name)] = true
	if c.kernel == nil {
		return
	}
	if e, ok := c.kernel.exports[string(name)]; ok && e.HasCRC && uint64(e.CRC) != crc {
		c.wrong(CodeVersion, s.Name, off, string(name), "its CRC is %#08x, and the kernel's is %#08x", crc, e.CRC)
	}
}

// unversioned looks for symbols that the loader refuses, since they have no version.
func (c *checker) unversioned(s *elfobj.Section, seen map[string]bool) {
	for _, name := range append(c.ko.Imports(), moduleLayout) {
		if seen[name] {
			continue
		}
		if c.kernel != nil {
			if e, ok := c.kernel.exports[name]; !ok || !e.HasCRC {
				continue // the kernel has none either; or imports tells
			}
		}
		c.wrong(CodeVersion, s.Name, 0, name, "it has no version, which the loader asks for")
	}
}

// moduleLayout is the symbol whose version stands for that of the structures.
const moduleLayout = "module_layout"

// thisModule looks at struct module.
func (c *checker) thisModule() bool {
	for s := range c.obj.SectionsNamed(kerneltab.ThisModule) {
		b, err := s.Data()
		if err != nil {
			return true
		}
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_WRITE == 0 {
			c.wrong(CodeStruct, s.Name, 0, "", "it is no writable data")
		}
		if c.kernel != nil && c.kernel.layout["module"].Size > 0 {
			c.moduleOf(s, b)
		}
		c.startAndEnd(s)
	}
	return true
}

// moduleOf holds struct module against the kernel's.
func (c *checker) moduleOf(s *elfobj.Section, b []byte) {
	m := c.kernel.layout["module"]
	if s.Size != m.Size {
		c.wrong(CodeStruct, s.Name, 0, "", "struct module has %d bytes, and the kernel's has %d", s.Size, m.Size)
		return
	}
	if at := m.Offsets["name"]; at < uint64(len(b)) {
		name, _, _ := bytes.Cut(b[at:], []byte{0})
		if string(name) != c.facts["name"] {
			c.wrong(CodeStruct, s.Name, at, "name", "it is called %.60q there, and %.60q in %s", name, c.facts["name"], kerneltab.Modinfo)
		}
	}
	c.emptyModule(s)
	for i := range c.relas[s.Index] {
		if r := &c.relas[s.Index][i]; r.Offset != m.Offsets["init"] && r.Offset != m.Offsets["exit"] {
			c.wrong(CodeStruct, s.Name, r.Offset, c.name(r), "it is neither init nor exit that it fills in")
		}
	}
	_, livepatch := c.facts["livepatch"]
	if _, ok := c.relaIn(s.Index, m.Offsets["init"], 1); !ok && livepatch {
		c.wrong(CodeStruct, s.Name, m.Offsets["init"], kerneltab.ModuleInit, "it has no init, which would enable the livepatch")
	}
}

// startAndEnd looks at what the kernel calls.
func (c *checker) startAndEnd(s *elfobj.Section) {
	for i := range c.relas[s.Index] {
		r := &c.relas[s.Index][i]
		to, off, ok := c.place(r)
		if !ok || r.typ() != elf.R_X86_64_64 || !c.code[to.Index].isFunction(off) {
			c.wrong(CodeStruct, s.Name, r.Offset, c.name(r), "what the kernel would call there is no function of the module")
		}
	}
}
