//go:build linux

package ktree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// stockTree is the tree of a stock kernel.
func stockTree(t testing.TB, release string) *Tree {
	t.Helper()
	vmtest.Long(t)
	testenv.Need(t, "gcc-12", "make", "tar", "xz", "flex", "bison", "bc", "apt-get")
	tree, err := openStock(t.Context(), release)
	if errors.Is(err, deb.ErrUnavailable) || errors.Is(err, ErrMissing) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func openStock(ctx context.Context, release string) (*Tree, error) {
	cache, err := deb.OpenCache()
	if err != nil {
		return nil, err
	}
	k, err := debkernel.Stock(ctx, release)
	if err != nil {
		return nil, err
	}
	source, err := k.Source(ctx)
	if err != nil {
		return nil, err
	}
	vmlinux, err := k.Vmlinux(ctx)
	if err != nil {
		return nil, err
	}
	image, err := kernel.Open(vmlinux)
	if err != nil {
		return nil, err
	}
	banner, err := image.Banner()
	if err := errors.Join(err, image.Close()); err != nil {
		return nil, err
	}
	return Open(ctx, Spec{Source: source, Config: k.Config, Release: k.Release, Banner: banner, Make: k.Make(), Cache: cache.Dir()})
}

// wrapper is a compiler that makes empty objects, and lists of dependencies as the real one
// does. It notes what it was asked to make. Everything else the real one does.
const wrapper = `#!/bin/sh
real=gcc-12 note=NOTE empty=EMPTY
case " $* " in
*" -D__KERNEL__ "*" -c -o "*.o" "*) ;;
*) exec $real "$@" ;;
esac
out= dep= prev=
for a; do
	[ "$prev" = -o ] && out=$a
	case $a in -Wp,-MMD,*) dep=${a#-Wp,-MMD,} ;; esac
	prev=$a
done
keep=$note.d/$(echo "$out" | tr / -)
if [ -f "$keep" ]; then cp "$keep" "$dep"
else $real "$@" -E >/dev/null || exit 1; cp "$dep" "$keep"; fi
echo "$out" >>"$note"
rm -f "$out"
exec cp "$empty" "$out"
`

// oracleFolders are what is built in the test: in the kernel and in modules, with headers that
// trace, that macros name, and that are the architecture's.
var oracleFolders = []string{"fs/proc/", "fs/ext4/", "kernel/sched/", "net/8021q/", "net/sched/", "drivers/virtio/", "lib/crypto/", "arch/x86/lib/"}

// oracleHeaders are from narrow to very wide.
var oracleHeaders = []string{
	"fs/ext4/acl.h", "fs/ext4/ext4.h", "fs/ext4/truncate.h", "fs/proc/internal.h", "fs/proc/fd.h", "net/8021q/vlan.h", "net/8021q/vlanproc.h",
	"kernel/sched/sched.h", "kernel/sched/stats.h", "kernel/sched/autogroup.h", "kernel/sched/features.h", "kernel/sched/sched-pelt.h",
	"include/net/pkt_cls.h", "include/net/sock.h", "include/net/sch_generic.h", "include/linux/if_vlan.h", "include/linux/virtio.h", "include/linux/jbd2.h",
	"include/trace/events/ext4.h", "include/trace/events/sched.h", "include/trace/events/qdisc.h", "include/uapi/linux/pkt_sched.h",
	"include/linux/fs.h", "include/linux/proc_fs.h", "include/linux/skbuff.h", "include/linux/list.h", "include/linux/sched.h", "include/linux/kconfig.h",
	"arch/x86/include/asm/inat.h", "include/linux/export.h", "include/crypto/sha2.h", "include/linux/virtio_config.h",
}

// TestDependentsOracle has make, with fixdep, say what is made again when a header is touched.
func TestDependentsOracle(t *testing.T) {
	if !testenv.Asked(testenv.Long) {
		t.Skip("takes many minutes; GOSPLICE_TEST has no word long")
	}
	tree := stockTree(t, "6.1.0-56-cloud-amd64")
	w, err := tree.loose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.discard()
	o := &oracle{tree: tree, dir: w.dir, note: filepath.Join(t.TempDir(), "note")}
	o.begin(t)
	all := o.touch(t, "")
	t.Logf("%d objects", len(all))
	if again := o.touch(t, ""); len(again) > 0 {
		t.Fatalf("made again for nothing: %q", again)
	}
	for _, h := range oracleHeaders {
		want := o.touch(t, h)
		began := time.Now()
		list, err := tree.dependents(t.Context(), []string{h}, func(u *Unit) bool { return slices.Contains(all, u.Object) })
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, u := range list {
			got = append(got, u.Object)
		}
		t.Logf("%s: %d objects, %v", h, len(got), time.Since(began).Round(time.Millisecond))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", h, diff)
		}
	}
}

// An oracle is a copy of the tree in which make runs with the wrapper.
type oracle struct {
	tree      *Tree
	dir, note string
}

func (o *oracle) begin(t *testing.T) {
	t.Helper()
	empty := o.note + ".o"
	for _, name := range []string{o.note + ".d"} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.tree.output(t.Context(), o.dir, "sh", "-c", "echo | gcc-12 -x c -c -o "+empty+" -"); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("NOTE", o.note, "EMPTY", empty).Replace(wrapper)
	if err := os.WriteFile(o.note+".cc", []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// touch has make build the folders after a header is changed, and returns what it made.
func (o *oracle) touch(t *testing.T, header string) []string {
	t.Helper()
	if err := os.WriteFile(o.note, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if header != "" {
		full := filepath.Join(o.dir, header)
		text, err := os.ReadFile(full)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(full), os.WriteFile(full, text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	// The commands are those of the tree, but for the name of the compiler.
	args := append([]string{"-k", fmt.Sprintf("-j%d", o.tree.spec.Jobs), "KCFLAGS=" + o.tree.spec.Flags, "CC=" + o.note + ".cc"}, oracleFolders...)
	said, err := o.tree.make(t.Context(), o.dir, args...)
	if err != nil {
		t.Logf("make: %v: %s", err, said[max(0, len(said)-1000):])
	}
	text, err := os.ReadFile(o.note)
	if err != nil {
		t.Fatal(err)
	}
	made := slices.DeleteFunc(strings.Fields(string(text)), func(name string) bool {
		return !slices.ContainsFunc(oracleFolders, func(dir string) bool { return strings.HasPrefix(name, dir) })
	})
	for i := range made {
		made[i] = path.Clean(made[i])
	}
	slices.Sort(made)
	return slices.Compact(made)
}
