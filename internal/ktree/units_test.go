//go:build linux

package ktree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// TestUnits holds the table of all objects against what make does when it is asked for some
// of them alone.
func TestUnits(t *testing.T) {
	releases := vmtest.Releases()
	if !testenv.Asked(testenv.Long) {
		releases = releases[:1]
	}
	for _, release := range releases {
		t.Run(release, func(t *testing.T) { testUnits(t, release) })
	}
}

func testUnits(t *testing.T, release string) {
	tree := stockTree(t, release)
	units, err := tree.Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, u := range units.All() {
		count[u.Special]++
		if u.Module != "" {
			count["module"]++
		}
	}
	t.Logf("%d objects: %v", len(units.All()), count)
	if len(units.All()) < 4500 || count["module"] < 2000 || count["the vDSO"] == 0 || count["the code for real mode"] == 0 {
		t.Error("fewer than there are")
	}
	for object, module := range map[string]string{
		"fs/proc/cmdline.o": "", "net/8021q/vlan.o": "net/8021q/8021q", "arch/x86/kvm/vmx/vmenter.o": "arch/x86/kvm/kvm-intel", "drivers/net/dummy.o": "drivers/net/dummy",
	} {
		if u := units.Object(object); u == nil || u.Module != module || u.Special != "" {
			t.Errorf("%s: %+v, want the module %q", object, u, module)
		}
	}
	sample := sampleUnits(units)
	w, err := tree.loose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.discard(); err != nil {
			t.Error(err)
		}
	}()
	objects := make([]string, len(sample))
	for i := range sample {
		objects[i] = sample[i].Object
	}
	goals, err := tree.goals(objects...)
	if err != nil {
		t.Fatal(err)
	}
	// It really makes them, and says how.
	args := slices.Concat([]string{"V=1", "-k", "-Otarget", "-j2", "KCFLAGS=" + tree.spec.Flags}, tree.args, goals)
	out, err := tree.command(t.Context(), w.dir, "make", args...).Output()
	if err != nil {
		t.Log(errors.Join(err, fmt.Errorf("%s", out[max(0, len(out)-1000):])))
	}
	real := newUnits(parseCommands(out).list)
	for i := range sample {
		want := real.Object(sample[i].Object)
		if want == nil {
			t.Errorf("make does not make %s", sample[i].Object)
			continue
		}
		if sample[i].Command != want.Command || sample[i].Objtool != want.Objtool {
			t.Errorf("%s:\n%s\n%s\nmake alone runs\n%s\n%s", want.Object, sample[i].Command, sample[i].Objtool, want.Command, want.Objtool)
		}
	}
}

// sampleUnits takes objects at random, and some from each folder that make enters twice.
func sampleUnits(units *Units) []Unit {
	const few = 10
	r := rand.New(rand.NewPCG(1, 2))
	var out []Unit
	by := map[string]int{}
	for _, i := range r.Perm(len(units.All())) {
		u := units.All()[i]
		group := "else"
		for _, dir := range []string{"arch/x86/lib/", "arch/x86/pci/", "arch/x86/power/", "arch/x86/video/", "arch/x86/kernel/", "arch/x86/crypto/", "arch/x86/entry/"} {
			if strings.HasPrefix(u.Object, dir) {
				group = dir
			}
		}
		limit := 2
		if group == "else" {
			limit = few
		}
		if testenv.Asked(testenv.Long) {
			limit *= 4
		}
		if strings.Contains(u.Command, "/../") {
			continue // a way through the module's folder, whose flags make gives it then only
		}
		if u.Special == "" && by[group] < limit {
			by[group]++
			out = append(out, u)
		}
	}
	return out
}

// TestForced has what commands force objects to include by their numbers, and once.
func TestForced(t *testing.T) {
	u := newUnits([]Unit{
		{Object: "b.o", Command: "gcc -include ./include/linux/kconfig.h -Iinclude -imacros fs/b.h -c -o b.o b.c"},
		{Object: "a.o", Command: "gcc -Iinclude -c -o a.o a.c"},
	})
	first := u.forced()
	if got := fmt.Sprint(first); got != "[[] [include/linux/kconfig.h fs/b.h]]" {
		t.Error(got)
	}
	if &u.forced()[0] != &first[0] {
		t.Error("it is found anew")
	}
}
