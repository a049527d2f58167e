package ktree

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSurvey(t *testing.T) {
	const makefile = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 170\nEXTRAVERSION =\nall:\n"
	files := map[string]string{
		"Makefile": makefile, "lib/a.c": "", "include/linux/a.h": "", "include/linux/wide.h": "", "kernel/bounds.c": "#include <linux/wide.h>\n",
		"tools/objtool/check.c": "old", "arch/x86/include/asm/b.h": "",
	}
	type want struct{ Config, Prepare, Units, Idle bool }
	for _, c := range []struct {
		files   string
		want    want
		notes   []string
		refused string
	}{
		{"lib/a.c", want{Idle: true}, nil, ""},
		{"include/linux/a.h", want{Idle: true}, nil, ""},
		{"include/linux/wide.h", want{Prepare: true}, nil, ""},
		{"lib/a.c tools/objtool/check.c", want{Idle: true}, []string{"tools/objtool/check.c"}, ""},
		{"lib/Makefile", want{Units: true}, nil, ""},
		{"Makefile", want{Prepare: true, Units: true}, nil, ""},
		{"drivers/net/Kconfig", want{Config: true, Prepare: true, Units: true}, nil, ""},
		{"arch/arm/Kconfig arch/arm/kernel/x.uni", want{Idle: true}, nil, ""},
		{"arch/x86/entry/syscalls/syscall_64.tbl", want{Prepare: true}, nil, ""},
		{"arch/x86/kernel/asm-offsets.c", want{Prepare: true}, nil, ""},
		{"arch/x86/include/asm/b.h", want{Idle: true}, nil, ""},
		{"arch/x86/include/asm/new.h", want{Prepare: true}, nil, ""},
		{"lib/raid6/int.uc crypto/x.asn1", want{}, nil, ""},
		{"scripts/checkpatch.pl scripts/mod/modpost.c", want{Idle: true}, []string{"scripts/checkpatch.pl", "scripts/mod/modpost.c"}, ""},
		{"scripts/gcc-plugins/x.c", want{Idle: true}, nil, "scripts/gcc-plugins/x.c"},
		{"arch/x86/lib/x86-opcode-map.txt", want{}, nil, ""},
		{"drivers/x/about.txt arch/x86/kernel/vmlinux.lds.S scripts/module.lds.S", want{Idle: true}, []string{"arch/x86/kernel/vmlinux.lds.S", "drivers/x/about.txt", "scripts/module.lds.S"}, ""},
		{"arch/x86/entry/vdso/vdso.lds.S", want{Idle: true}, nil, "arch/x86/entry/vdso/vdso.lds.S"},
		{"arch/x86/realmode/rm/realmode.lds.S", want{Idle: true}, nil, "arch/x86/realmode/rm/realmode.lds.S"},
		{"arch/x86/entry/vdso/vdso2c.c", want{Idle: true}, []string{"arch/x86/entry/vdso/vdso2c.c"}, ""},
		{"drivers/x/table.awk", want{Idle: true}, nil, "drivers/x/table.awk"},
	} {
		tree := fakeTree(t, t.TempDir(), files)
		o := Overlay{}
		for _, name := range strings.Fields(c.files) {
			o[name] = []byte("new")
		}
		s, err := tree.survey(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := (want{s.config, s.prepare, s.units, s.idle()}); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.files, got, c.want)
		}
		var noted []string
		for name := range s.notes {
			noted = append(noted, name)
		}
		slices.Sort(noted)
		refused := ""
		for _, r := range s.refused {
			refused += r.File
		}
		if !cmp.Equal(noted, c.notes) || refused != c.refused {
			t.Errorf("%s: notes %q, refused %q", c.files, noted, refused)
		}
	}
}

// TestRulesShadow: no rule stands behind one that fits all that it fits.
func TestRulesShadow(t *testing.T) {
	seen := map[string]bool{}
	for i := range buildRules {
		r := &buildRules[i]
		name := strings.TrimPrefix(strings.ReplaceAll(r.pattern, "*", "x"), "./")
		if strings.HasSuffix(name, "/") {
			name += "x"
		}
		if got := ruleFor(name); got != r {
			t.Errorf("%s is never used: %s fits %s", r.pattern, got.pattern, name)
		}
		if seen[r.pattern] {
			t.Errorf("%s is there twice", r.pattern)
		}
		seen[r.pattern] = true
	}
}

// TestRefusedBeside: what is refused by its name is not what was refused, or wasn't, when
// the rest was followed the last time.
func TestRefusedBeside(t *testing.T) {
	tree := fakeTree(t, t.TempDir(), map[string]string{"Makefile": ""})
	tree.units = newUnits(fakeUnits("gcc"))
	for _, files := range []string{"lib/raid6/int.uc", "lib/raid6/int.uc drivers/x/table.awk", "lib/raid6/int.uc", "lib/raid6/int.uc drivers/y/table.awk"} {
		o := Overlay{}
		for _, name := range strings.Fields(files) {
			o[name] = []byte("new")
		}
		e, err := tree.Effects(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		got := "lib/raid6/int.uc"
		for _, r := range e.Refused {
			got += " " + r.File
		}
		if got != files {
			t.Errorf("%s: refused are %s", files, got)
		}
	}
}

// TestKeepVersion: another version in the Makefile is no other kernel.
func TestKeepVersion(t *testing.T) {
	const old = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 170\nEXTRAVERSION =\nNAME = Curry\nall: a\n"
	tree := fakeTree(t, t.TempDir(), map[string]string{"Makefile": old})
	for now, want := range map[string]want{
		strings.Replace(old, "170", "176", 1):                              {true, old},
		strings.NewReplacer("170", "176", "all: a", "all: b").Replace(old): {false, strings.Replace(old, "all: a", "all: b", 1)},
		strings.Replace(old, "all: a", "all: b", 1):                        {false, ""},
	} {
		s, err := tree.survey(t.Context(), Overlay{"Makefile": []byte(now)})
		if err != nil {
			t.Fatal(err)
		}
		if s.idle() != want.idle || string(s.kept["Makefile"]) != want.kept {
			t.Errorf("%q: idle %v, kept %q", now, s.idle(), s.kept["Makefile"])
		}
	}
}

type want struct {
	idle bool
	kept string
}

// TestProducts: what is made of a table is found by the objects.
func TestProducts(t *testing.T) {
	tree := fakeTree(t, t.TempDir(), map[string]string{"Makefile": ""})
	s, err := tree.survey(t.Context(), Overlay{"lib/raid6/int.uc": []byte("x"), "crypto/a.asn1": []byte("x"), "scripts/asn1_compiler.c": nil})
	if err != nil {
		t.Fatal(err)
	}
	for object, want := range map[string][]string{
		"lib/raid6/int4.o": {"lib/raid6/int.uc"}, "crypto/a.asn1.o": {"crypto/a.asn1", "scripts/asn1_compiler.c"},
		"crypto/b.asn1.o": {"scripts/asn1_compiler.c"}, "lib/raid6/algos.o": nil,
	} {
		if got := s.products(&Unit{Object: object}); !cmp.Equal(got, want) {
			t.Errorf("%s: %q, want %q", object, got, want)
		}
	}
}

// TestDeciding: what a source has in it does not decide what make finds, and a header only
// where headers are made.
func TestDeciding(t *testing.T) {
	tree := fakeTree(t, t.TempDir(), map[string]string{
		"Makefile": "", "lib/Makefile": "", "lib/a.c": "", "lib/b.S": "", "lib/gone.c": "", "include/linux/a.h": "", "include/linux/wide.h": "", "kernel/bounds.c": "#include <linux/wide.h>\n",
	})
	for _, c := range []struct{ files, want string }{
		{"lib/a.c lib/b.S include/linux/a.h", ""},
		{"lib/a.c lib/Makefile include/linux/a.h", "lib/Makefile"},
		{"lib/a.c lib/new.c include/linux/new.h lib/Makefile", "include/linux/new.h lib/Makefile lib/new.c"},
		{"lib/a.c include/linux/a.h include/linux/wide.h", "include/linux/a.h include/linux/wide.h"},
		{"lib/a.c kernel/bounds.c", "kernel/bounds.c"},
		{"lib/gone.c lib/Makefile", "lib/Makefile lib/gone.c"},
	} {
		o := Overlay{}
		for _, name := range strings.Fields(c.files) {
			if o[name] = []byte("new"); name == "lib/gone.c" {
				o[name] = nil
			}
		}
		s, err := tree.survey(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(slices.Sorted(maps.Keys(s.deciding(tree))), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.files, got, c.want)
		}
	}
}
