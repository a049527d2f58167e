package source

import "testing"

func TestClassify(t *testing.T) {
	for name, want := range map[string]FileKind{
		"fs/proc/cmdline.c":                        FileSource,
		"arch/x86/entry/entry_64.S":                FileSource,
		"include/linux/sched.h":                    FileHeader,
		"fs/ext4/Kconfig":                          FileKconfig,
		"lib/Kconfig.debug":                        FileKconfig,
		"fs/Makefile":                              FileMakefile,
		"arch/x86/Kbuild":                          FileMakefile,
		"scripts/Makefile.build":                   FileMakefile,
		"scripts/mod/modpost.c":                    FileGenerator,
		"arch/x86/entry/syscalls/syscall_64.tbl":   FileGenerator,
		"arch/x86/kernel/vmlinux.lds.S":            FileGenerator,
		"arch/x86/lib/x86-opcode-map.txt":          FileGenerator,
		"tools/objtool/check.c":                    FileGenerator,
		"tools/perf/builtin-top.c":                 FileOther,
		"Documentation/admin-guide/x.rst":          FileOther,
		"arch/arm64/kernel/entry.S":                FileOther,
		"drivers/net/README.txt":                   FileOther,
		"net/.gitignore":                           FileOther,
		"samples/bpf/x.c":                          FileOther,
		"Documentation/devicetree/bindings/x.yaml": FileOther,
	} {
		if got, _ := classify(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
