package ktree

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// printed is what make -n prints, shortened.
const printed = `set -e;  echo '  CC      fs/proc/cmdline.o';    trap 'rm -f fs/proc/cmdline.o; trap - HUP; kill -s HUP $$' HUP; gcc -Wp,-MMD,fs/proc/.cmdline.o.d -D__KERNEL__ -c -o fs/proc/cmdline.o fs/proc/cmdline.c   ; ./tools/objtool/objtool --orc   fs/proc/cmdline.o; scripts/basic/fixdep fs/proc/.cmdline.o.d fs/proc/cmdline.o 'gcc -D__KERNEL__ -c -o fs/proc/cmdline.o fs/proc/cmdline.c ; x' > fs/proc/.cmdline.o.cmd
set -e; gcc -Wp,-MMD,net/8021q/.vlan.o.d -D__KERNEL__ -DMODULE -c -o net/8021q/vlan.o net/8021q/vlan.c ; scripts/basic/fixdep x
set -e; printf '%s\n'   vlan.o both.o | awk '!x[$0]++ { print("net/8021q/"$0) }' > net/8021q/8021q.mod; printf '%s\n' 'cmd'
set -e; printf '%s\n'   both.o | awk '!x[$0]++ { print("net/8021q/"$0) }' > net/8021q/other.mod
set -e; gcc -Wp,-MMD,a.d -D__KERNEL__ -DMODULE -c -o net/8021q/both.o net/8021q/both.c
set -e; gcc -Wp,-MMD,scripts/mod/.m.o.d -c -o scripts/mod/m.o scripts/mod/m.c
set -e; gcc -Wp,-MMD,arch/x86/entry/vdso/.v.o.d -D__KERNEL__ -c -o arch/x86/entry/vdso/vclock.o arch/x86/entry/vdso/vclock.c
set -e; gcc -Wp,-MMD,w.d -D__KERNEL__ -c -o arch/x86/kvm/../../../virt/kvm/main.o arch/x86/kvm/../../../virt/kvm/main.c; ./tools/objtool/objtool --orc arch/x86/kvm/../../../virt/kvm/main.o; x
set -e; gcc -Wp,-MMD,b.d -D__KERNEL__ -c -o arch/x86/entry/vdso/vma.o arch/x86/entry/vdso/vma.c
set -e; rm -f arch/x86/entry/vdso/built-in.a;  printf "arch/x86/entry/vdso/%s " vma.o | xargs ar cDPrST arch/x86/entry/vdso/built-in.a; printf x
set -e; gcc -Wp,-MMD,c.d -D__KERNEL__ -first -c -o lib/twice.o lib/twice.c
set -e; gcc -Wp,-MMD,c.d -D__KERNEL__ -second -c -o lib/twice.o lib/twice.c
set -e; gcc -Wp,-MMD,d.d -D__KERNEL__ -DMODULE -c -o fs/old/a.o fs/old/a.c; scripts/basic/fixdep fs/old/.a.o.d fs/old/a.o 'gcc -c -o fs/old/a.o fs/old/a.c' > fs/old/.a.o.cmd; rm -f fs/old/.a.o.d
set -e; trap 'rm -f fs/old/a.o; kill -s HUP $$' HUP;  ./tools/objtool/objtool orc generate  --module --no-fp fs/old/a.o
set -e; trap 'rm -f fs/old/old.mod; trap - HUP' HUP; { echo  fs/old/a.o fs/old/b.o;  echo; } > fs/old/old.mod; printf '%s\n' 'cmd_fs/old/old.mod := { echo  fs/old/a.o;  echo; } > fs/old/old.mod' > fs/old/.old.mod.cmd
`

func TestParseCommands(t *testing.T) {
	type row struct{ Object, Module, Special, Objtool string }
	var got []row
	for _, u := range parseCommands([]byte(printed)).list {
		got = append(got, row{u.Object, u.Module, u.Special, u.Objtool})
		if u.Object == "net/8021q/both.o" && !cmp.Equal(u.Modules, []string{"net/8021q/8021q", "net/8021q/other"}) {
			t.Errorf("%s is of %q", u.Object, u.Modules)
		}
		if u.Object == "lib/twice.o" && u.Command != "gcc -Wp,-MMD,c.d -D__KERNEL__ -second -c -o lib/twice.o lib/twice.c" {
			t.Errorf("%s is made by %q", u.Object, u.Command)
		}
	}
	want := []row{
		{"fs/proc/cmdline.o", "", "", "./tools/objtool/objtool --orc   fs/proc/cmdline.o"},
		{"net/8021q/vlan.o", "net/8021q/8021q", "", ""},
		{"net/8021q/both.o", "net/8021q/8021q", "", ""},
		{"arch/x86/entry/vdso/vclock.o", "", "the vDSO", ""},
		{"virt/kvm/main.o", "", "", "./tools/objtool/objtool --orc virt/kvm/main.o"},
		{"arch/x86/entry/vdso/vma.o", "", "", ""},
		{"lib/twice.o", "", "", ""},
		{"fs/old/a.o", "fs/old/old", "", "./tools/objtool/objtool orc generate  --module --no-fp fs/old/a.o"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDamaged: what make prints is lost, or torn apart.
func TestDamagedCommands(t *testing.T) {
	many := printed
	for i := range fewest {
		many += fmt.Sprintf("gcc -Wp,-MMD,x.d -D__KERNEL__ -c -o lib/f%d.o lib/f%d.c\n", i, i)
	}
	for name, c := range map[string]struct{ text, want string }{
		"whole":  {many, ""},
		"few":    {printed, "objects only"},
		"torn":   {many + "gcc -Wp,-MMD,x.d -nostdinc -D__KERNEL__ -O2 -c -o lib/a.o lib/a.c set -e\n", "can't be read"},
		"module": {many + "gcc -Wp,-MMD,x.d -D__KERNEL__ -DMODULE -c -o lib/m.o lib/m.c\n", "lib/m.o for a module"},
	} {
		err := parseCommands([]byte(c.text)).check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzParseCommands(f *testing.F) {
	f.Add([]byte(printed))
	f.Add([]byte("a.o ' -c -o x.o x.c;\\"))
	f.Fuzz(func(t *testing.T, b []byte) {
		seen := map[string]bool{}
		for _, u := range parseCommands(b).list {
			if seen[u.Object] || u.Object == "" || u.Source == "" {
				t.Errorf("%+v", u)
			}
			seen[u.Object] = true
		}
	})
}
