package ktree

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// TestBuildroot has an older compiler of another release of Debian make an object in the
// cache. The folder is fetched once, which takes minutes.
func TestBuildroot(t *testing.T) {
	if !testenv.Asked(testenv.Long) {
		t.Skip("fetches a release of Debian: asked for by " + testenv.Env + "=" + string(testenv.Long))
	}
	testenv.Need(t, "mmdebstrap", "unshare", "chroot")
	kept, err := deb.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	root, err := Buildroot(vmtest.Context(t), kept.Dir(), "bullseye", bullseye, nil)
	if err != nil {
		testenv.Skip(t, "%v", err)
	}
	testBuildroot(t, root)
}

// TestMmdebstrap keeps what root mounts out of this system: a folder that is left behind is
// removed with all that is in it.
func TestMmdebstrap(t *testing.T) {
	for root, want := range map[bool]string{
		true:  "unshare --mount --propagation private mmdebstrap --variant=apt --mode=root --include=a,b trixie /dir http://archive",
		false: "mmdebstrap --variant=apt --mode=unshare --include=a,b trixie /dir http://archive",
	} {
		if got := strings.Join(mmdebstrap(root, "trixie", "/dir", "http://archive", []string{"a", "b"}), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// gcc10 is what the compiler of bullseye says of itself, and bullseye a configuration with it.
const gcc10 = "gcc-10 (Debian 10.2.1-6) 10.2.1 20210110"

var bullseye = []byte("CONFIG_DEBUG_INFO_BTF=y\nCONFIG_MODULE_SIG=y\nCONFIG_CC_VERSION_TEXT=\"" + gcc10 + "\"\n")

func testBuildroot(t *testing.T, root string) {
	cache, err := deb.NewCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	for _, name := range []string{"Makefile", "Kbuild"} {
		if err := os.WriteFile(filepath.Join(source, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree := &Tree{spec: Spec{Buildroot: root, Source: source}, cache: cache}
	if err := tree.check(t.Context(), bullseye); err != nil {
		t.Fatal(err)
	}
	if tree.Compiler() != gcc10 {
		t.Errorf("the compiler is %q", tree.Compiler())
	}
	work := filepath.Join(cache.Dir(), "work")
	if err := errors.Join(os.Mkdir(work, 0o755), os.WriteFile(filepath.Join(work, "a.c"), []byte("int a = __GNUC__;\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.output(t.Context(), work, "gcc-10", "-c", "a.c"); err != nil {
		t.Fatal(err)
	}
	object, err := os.ReadFile(filepath.Join(work, "a.o"))
	if err != nil || !strings.Contains(string(object), "GCC: (Debian 10.2.1-6)") {
		t.Errorf("an object of %d bytes, %v", len(object), err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), root) {
		t.Errorf("mounts are left behind, or %v", err)
	}
	other := &Tree{spec: Spec{Buildroot: root, Source: source}, cache: cache}
	var e *CompilerError
	err = other.check(t.Context(), []byte("CONFIG_CC_VERSION_TEXT=\""+gcc12+"\"\n"))
	if !errors.As(err, &e) || e.Package != "gcc-12" || e.Buildroot != root {
		t.Errorf("no gcc-12 there: %v", err)
	}
}
