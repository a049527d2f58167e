package ktree

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A survey says what has to be done to know the effects of an overlay.
type survey struct {
	overlay Overlay // without what has no effect on the build
	kept    Overlay
	notes   map[string]string
	refused []Unfollowed
	made    []making // of files that the build makes on the way, with the file that changed

	config  bool // the configuration has to be made again
	prepare bool // headers have to be made again
	units   bool // commands have to be asked for again
}

type making struct {
	file string
	rule *buildRule
}

// idle reports whether there is nothing to do.
func (s *survey) idle() bool { return !s.config && !s.prepare && !s.units && len(s.made) == 0 }

// A buildRule says what a file is to the build. The first whose pattern fits is taken: what is
// about few files stands in front of what is about many.
type buildRule struct {
	// pattern is one of path.Match: of the whole path, or of the last part where it has no
	// slash. One that ends with a slash is for all below the folder; "./X" is X in the root.
	pattern                string
	config, prepare, units bool
	// products are the objects that are made of it on the way, as a pattern.
	products string
	note     string // why it changes no object
	// layout is set for what lays out an image: that of the kernel, or another.
	layout bool
}

// The tools of the build: pre and post are made by the same ones.
const (
	ownTool  = "a tool of the build: both sides are made by the kernel's own"
	linkTool = "it is for the whole kernel when that is linked: no object is made otherwise"
	noCode   = "no object is made of it"
)

// buildRules are for Linux 5.10 to 6.12. What is not here, and is no source, is refused.
var buildRules = []buildRule{
	{pattern: "arch/x86/lib/x86-opcode-map.txt", products: "arch/x86/lib/inat.o"}, {pattern: "arch/x86/tools/gen-insn-attr-x86.awk", products: "arch/x86/lib/inat.o"},
	{pattern: "arch/x86/entry/vdso/vdso2c.*", note: ownTool},
	{pattern: "*.rst", note: noCode}, {pattern: "*.yaml", note: noCode}, {pattern: "*.txt", note: noCode}, {pattern: ".*", note: noCode},
	{pattern: "Documentation/", note: noCode}, {pattern: "LICENSES/", note: noCode}, {pattern: "samples/", note: noCode}, {pattern: "debian/", note: noCode},
	{pattern: "MAINTAINERS", note: noCode}, {pattern: "CREDITS", note: noCode}, {pattern: "README*", note: noCode}, {pattern: "COPYING", note: noCode},
	{pattern: "*.dts", note: noCode}, {pattern: "*.dtsi", note: noCode}, {pattern: "*.dtso", note: noCode}, {pattern: "*.json", note: noCode},
	{pattern: "tools/", note: ownTool}, {pattern: "usr/", note: "it is of the first file system"},
	{pattern: "scripts/kconfig/", note: ownTool}, {pattern: "scripts/Kconfig.include", config: true},
	{pattern: "Kconfig*", config: true, prepare: true, units: true},
	{pattern: "arch/x86/entry/syscalls/", prepare: true}, {pattern: "scripts/syscall*", prepare: true},
	{pattern: "arch/x86/include/asm/Kbuild", prepare: true}, {pattern: "arch/x86/include/uapi/asm/Kbuild", prepare: true},
	{pattern: "include/asm-generic/Kbuild", prepare: true}, {pattern: "include/uapi/asm-generic/Kbuild", prepare: true},
	{pattern: "kernel/bounds.c", prepare: true}, {pattern: "arch/x86/kernel/asm-offsets*.c", prepare: true}, {pattern: "kernel/time/timeconst.bc", prepare: true},
	{pattern: "scripts/atomic/", prepare: true}, {pattern: "arch/x86/tools/cpufeaturemasks.awk", prepare: true},
	{pattern: "scripts/mod/", note: linkTool}, {pattern: "scripts/link-vmlinux.sh", note: linkTool}, {pattern: "scripts/kallsyms.c", note: linkTool},
	{pattern: "scripts/sorttable.*", note: linkTool}, {pattern: "scripts/module*", note: linkTool}, {pattern: "scripts/Makefile.mod*", note: linkTool},
	{pattern: "scripts/Makefile.vmlinux*", note: linkTool}, {pattern: "scripts/depmod.sh", note: linkTool}, {pattern: "*.lds.S", note: linkTool, layout: true}, {pattern: "*.lds", note: linkTool, layout: true},
	{pattern: "include/asm-generic/vmlinux.lds.h", note: linkTool}, {pattern: "arch/x86/tools/relocs*", note: linkTool},
	{pattern: "scripts/recordmcount.*", note: ownTool}, {pattern: "scripts/gcc-plugins/", note: ""}, // refused
	{pattern: "./Makefile", prepare: true, units: true}, {pattern: "./Kbuild", prepare: true, units: true},
	{pattern: "Makefile*", units: true}, {pattern: "Kbuild*", units: true}, {pattern: "Platform", units: true}, {pattern: "*.mk", units: true},
	{pattern: "scripts/asn1_compiler.c", products: "*.asn1.o"}, {pattern: "*.asn1", products: "*.asn1.o"},
	{pattern: "arch/x86/include/asm/cpufeatures.h", products: "arch/x86/kernel/cpu/capflags.o"}, {pattern: "arch/x86/include/asm/vmxfeatures.h", products: "arch/x86/kernel/cpu/capflags.o"},
	{pattern: "arch/x86/kernel/cpu/mkcapflags.sh", products: "arch/x86/kernel/cpu/capflags.o"},
	{pattern: "lib/gen_crc32table.c", products: "lib/crc32.o"}, {pattern: "lib/gen_crc64table.c", products: "lib/crc64.o"}, {pattern: "lib/crc32defs.h", products: "lib/crc32.o"},
	{pattern: "lib/raid6/*.uc", products: "lib/raid6/int*.o"}, {pattern: "lib/raid6/unroll.awk", products: "lib/raid6/int*.o"}, {pattern: "lib/raid6/mktables.c", products: "lib/raid6/tables.o"},
	{pattern: "lib/build_OID_registry", products: "lib/oid_registry.o"}, {pattern: "include/linux/oid_registry.h", products: "lib/oid_registry.o"},
	{pattern: "drivers/tty/vt/cp437.uni", products: "drivers/tty/vt/consolemap_deftbl.o"}, {pattern: "drivers/tty/vt/conmakehash.c", products: "drivers/tty/vt/consolemap_deftbl.o"},
	{pattern: "drivers/tty/vt/defkeymap.*", products: "drivers/tty/vt/defkeymap.o"}, {pattern: "fs/unicode/utf8data.c_shipped", products: "fs/unicode/utf8data.o"}, {pattern: "fs/unicode/mkutf8data.c", note: noCode},
	{pattern: "include/uapi/linux/capability.h", products: "security/apparmor/capability.o"}, {pattern: "include/uapi/asm-generic/resource.h", products: "security/apparmor/resource.o"},
	{pattern: "security/selinux/include/classmap.h", products: "security/selinux/*.o"}, {pattern: "security/selinux/include/initial_sid_to_string.h", products: "security/selinux/*.o"},
	{pattern: "include/scsi/scsi_devinfo.h", products: "drivers/scsi/scsi_sysfs.o"},
	{pattern: "net/wireless/certs/", products: "net/wireless/reg.o"},
	{pattern: "arch/x86/crypto/*.pl", products: "arch/x86/crypto/*.o"},
}

// fits reports whether a rule is about a file.
func (r *buildRule) fits(name string) bool {
	if dir, ok := strings.CutSuffix(r.pattern, "/"); ok {
		return strings.HasPrefix(name, dir+"/")
	}
	if !strings.Contains(r.pattern, "/") {
		name = path.Base(name)
	}
	ok, _ := path.Match(strings.TrimPrefix(r.pattern, "./"), name)
	return ok
}

func ruleFor(name string) *buildRule {
	for i := range buildRules {
		if buildRules[i].fits(name) {
			return &buildRules[i]
		}
	}
	return nil
}

// survey looks at all files of an overlay.
func (t *Tree) survey(ctx context.Context, o Overlay) (*survey, error) {
	s := &survey{overlay: maps.Clone(o), kept: Overlay{}, notes: map[string]string{}}
	if err := t.keepVersion(s); err != nil {
		return nil, err
	}
	var sources []string
	for _, name := range slices.Sorted(maps.Keys(s.overlay)) {
		if rest, ok := strings.CutPrefix(name, "arch/"); ok && strings.Contains(rest, "/") && !strings.HasPrefix(rest, "x86/") {
			continue // another architecture
		}
		r := ruleFor(name)
		switch ext := path.Ext(name); {
		case r == nil && (ext == ".c" || ext == ".h" || ext == ".S" || ext == ".inc" || ext == ".def"):
			s.prepare = s.prepare || wraps(t, name, s.overlay[name])
		case r == nil, r.pattern == "scripts/gcc-plugins/":
			if err := s.refuse(t, name); err != nil {
				return nil, err
			}
			continue
		case r.layout && Over(name):
			if err := s.leaveOut(t, name, "it lays out "+partOf(name)+", which has run before the kernel does, and runs no more"); err != nil {
				return nil, err
			}
			continue
		case r.layout && partOf(name) != "":
			s.refused = append(s.refused, Unfollowed{File: name, Image: partOf(name), Why: "it lays out " + partOf(name) + ", which is not made here"})
			delete(s.overlay, name)
			continue
		case r.note != "":
			if err := s.leaveOut(t, name, r.note); err != nil {
				return nil, err
			}
			continue
		default:
			s.config, s.prepare, s.units = s.config || r.config, s.prepare || r.prepare, s.units || r.units
			if r.products != "" {
				s.made = append(s.made, making{name, r})
			}
		}
		sources = append(sources, name)
	}
	if !s.prepare {
		var err error
		if s.prepare, err = t.isMeasured(ctx, sources); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// deciding is the part of the overlay that says what make finds: what a source has in it is
// nothing to make as long as no header is made of it.
func (s *survey) deciding(t *Tree) Overlay {
	out := Overlay{}
	for name, text := range s.overlay {
		header := slices.Contains([]string{".h", ".inc", ".def"}, path.Ext(name))
		source := path.Ext(name) == ".c" || path.Ext(name) == ".S"
		plain := source || header && !s.prepare && !s.config
		if _, err := t.Stat(name); plain && text != nil && err == nil && ruleFor(name) == nil && !slices.Contains(measured, name) {
			continue
		}
		out[name] = text
	}
	return out
}

// refuse refuses a file of which nobody knows what is made of it. What scripts do that is
// told by the kernel's Makefiles is found out by them.
func (s *survey) refuse(t *Tree, name string) error {
	if strings.HasPrefix(name, "scripts/") && !strings.HasPrefix(name, "scripts/gcc-plugins/") {
		return s.leaveOut(t, name, ownTool)
	}
	s.refused = append(s.refused, Unfollowed{File: name, Why: "what the build makes of it is not known"})
	delete(s.overlay, name)
	return nil
}

// leaveOut leaves a file what it is in the tree.
func (s *survey) leaveOut(t *Tree, name, note string) error {
	text, err := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(name)))
	if err := ignoreMissing(err); err != nil {
		return err
	}
	s.notes[name], s.kept[name] = note, text
	delete(s.overlay, name)
	return nil
}

// wraps reports whether a header comes or goes of which the build makes one that includes a
// general one, where there is none.
func wraps(t *Tree, name string, text []byte) bool {
	if !strings.HasPrefix(name, "arch/x86/include/") && !strings.HasPrefix(name, "include/asm-generic/") && !strings.HasPrefix(name, "include/uapi/asm-generic/") {
		return false
	}
	_, err := t.Stat(name)
	return text == nil || err != nil
}

// products returns the files that changed and that are on the way to an object.
func (s *survey) products(u *Unit) []string {
	var out []string
	for _, m := range s.made {
		r := buildRule{pattern: m.rule.products}
		if strings.HasPrefix(r.pattern, "*.asn1") && strings.HasSuffix(m.file, ".asn1") {
			r.pattern = m.file + ".o"
		}
		if r.fits(u.Object) {
			out = append(out, m.file)
		}
	}
	return out
}

// measured are the sources of which headers are made that have sizes and offsets.
var measured = []string{"kernel/bounds.c", "arch/x86/kernel/asm-offsets.c", "arch/x86/kernel/asm-offsets_64.c"}

// isMeasured reports whether a header may be made otherwise that has sizes and offsets from
// some files.
func (t *Tree) isMeasured(ctx context.Context, names []string) (bool, error) {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return path.Ext(name) != ".h" })
	if len(names) == 0 {
		return false, nil
	}
	g, err := t.includes(ctx)
	if err != nil {
		return false, err
	}
	set := map[string]bool{}
	for _, name := range names {
		g.reach(name, set)
	}
	return slices.ContainsFunc(measured, func(m string) bool { return set[m] }), nil
}

// versionForm are the lines of the kernel's Makefile that say which version it is.
var versionLines = regexp.MustCompile(`(?m)^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION|NAME) *=.*$`)

// keepVersion takes the change of the version out of the kernel's Makefile: it stays the
// kernel that runs.
func (t *Tree) keepVersion(s *survey) error {
	const name = "Makefile"
	text := s.overlay[name]
	if text == nil {
		return nil
	}
	old, err := os.ReadFile(filepath.Join(t.dir, name))
	if err != nil {
		return err
	}
	lines := map[string][]byte{}
	for _, m := range versionLines.FindAllSubmatch(old, -1) {
		lines[string(m[1])] = m[0]
	}
	now := versionLines.ReplaceAllFunc(text, func(line []byte) []byte {
		word, _, _ := bytes.Cut(line, []byte("="))
		if was := lines[string(bytes.TrimSpace(word))]; was != nil {
			return was
		}
		return line
	})
	if bytes.Equal(now, text) {
		return nil
	}
	s.kept[name] = now
	s.notes[name] = "the version stays that of the kernel that runs"
	if s.overlay[name] = now; bytes.Equal(now, old) {
		delete(s.overlay, name)
	}
	return nil
}
