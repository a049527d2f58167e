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
	vmtest.Long(t)
	testenv.Need(t, "mmdebstrap", "unshare", "chroot")
	kept, err := deb.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(kept.Dir(), "buildroot", "bullseye")
	if err := MakeBuildroot(vmtest.Context(t), root, "bullseye", append(BuildPackages(), "gcc-10")...); err != nil {
		testenv.Skip(t, "%v", err)
	}
	testBuildroot(t, root)
}

func testBuildroot(t *testing.T, root string) {
	cache, err := deb.NewCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const wanted = "gcc-10 (Debian 10.2.1-6) 10.2.1 20210110"
	config := []byte("CONFIG_DEBUG_INFO_BTF=y\nCONFIG_MODULE_SIG=y\nCONFIG_CC_VERSION_TEXT=\"" + wanted + "\"\n")
	tree := &Tree{spec: Spec{Buildroot: root, Source: cache.Dir()}, cache: cache}
	if err := tree.check(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if tree.Compiler() != wanted {
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
	other := &Tree{spec: Spec{Buildroot: root, Source: cache.Dir()}, cache: cache}
	var e *CompilerError
	err = other.check(t.Context(), []byte("CONFIG_CC_VERSION_TEXT=\""+gcc12+"\"\n"))
	if !errors.As(err, &e) || e.Package != "gcc-12" || e.Buildroot != root {
		t.Errorf("no gcc-12 there: %v", err)
	}
}
