package kbuild

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
)

// SmallNames are the small kernels that [NeedSmall] builds: none has livepatch. See the
// configurations in the folder small.
var SmallNames = []string{"traced", "untraced", "bare"}

//go:embed small/*.config
var smallConfigs embed.FS

// A Small is a kernel that was built for tests, of the source of a stock kernel.
type Small struct {
	Kernel vm.Kernel
	Source string // the archive that it was built from
	Config string // its whole configuration
	Image  string // its vmlinux
}

// smallLayout is part of the names of small kernels in the cache, as layout is.
const smallLayout = "1"

// NeedSmall builds a small kernel of the source of a stock one, or takes it from the cache. It
// skips the test when nobody asked for that (the word small of [testenv.Env]): a build takes
// ten minutes on two processors.
func NeedSmall(t testing.TB, k *debkernel.Kernel, name string) *Small {
	t.Helper()
	testenv.NeedKernels(t)
	if !testenv.Asked(testenv.Small) {
		t.Skipf("builds kernels: asked for by %s=%s,%s", testenv.Env, testenv.Kernel, testenv.Small)
	}
	testenv.Need(t, "gcc", "make", "tar", "xz", "flex", "bison", "bc", "pahole", vm.Emulator)
	s, err := buildSmall(vmtest.Context(t), k, name)
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func buildSmall(ctx context.Context, k *debkernel.Kernel, name string) (*Small, error) {
	cache, err := deb.OpenCache()
	if err != nil {
		return nil, err
	}
	fragment, err := smallFragment(name)
	if err != nil {
		return nil, err
	}
	archive, err := k.Source(ctx)
	if err != nil {
		return nil, err
	}
	version, _, _ := strings.Cut(k.Package.Version, "-")
	s := &Small{Source: archive}
	dir, err := cache.Make(ctx, fmt.Sprintf("small/%s_%s.%s", name, version, smallLayout), func(dir string) error {
		return s.build(ctx, dir, name, fragment)
	})
	if err != nil {
		return nil, fmt.Errorf("small kernel %s: %w", name, err)
	}
	s.Config, s.Image = filepath.Join(dir, "config"), filepath.Join(dir, "vmlinux")
	release, err := os.ReadFile(filepath.Join(dir, "release"))
	s.Kernel = vm.Kernel{Release: strings.TrimSpace(string(release)), Image: filepath.Join(dir, "bzImage"), ModuleDir: dir}
	return s, err
}

// smallFragment is the configuration of a small kernel, but for what is off.
func smallFragment(name string) ([]byte, error) {
	common, err := smallConfigs.ReadFile("small/common.config")
	if err != nil {
		return nil, err
	}
	own, err := smallConfigs.ReadFile("small/" + name + ".config")
	return append(common, own...), err
}

// kept are the files of a build that stay, by their names in the cache.
var kept = map[string]string{
	"config": ".config", "vmlinux": "vmlinux", "bzImage": "arch/x86/boot/bzImage", "release": "include/config/kernel.release", "modules.builtin": "modules.builtin",
}

// build builds the kernel in dir, and keeps of it what is needed.
func (s *Small) build(ctx context.Context, dir, name string, fragment []byte) error {
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	deb.Progress(vmtest.Watched(ctx), "build the small kernel %s", name)
	if err := run(ctx, tree, "tar", "--strip-components=1", "-xf", s.Source); err != nil {
		return err
	}
	given := filepath.Join(dir, "fragment")
	if err := os.WriteFile(given, fragment, 0o644); err != nil {
		return err
	}
	t := &Tree{args: []string{"LOCALVERSION=-small", "KBUILD_BUILD_USER=gosplice", "KBUILD_BUILD_HOST=gosplice", "KBUILD_BUILD_TIMESTAMP=1970-01-01"}}
	make := func(args ...string) error {
		said, err := t.Make(ctx, tree, args...)
		if err != nil {
			err = fmt.Errorf("make %s: %w: %s", args, err, said[max(0, len(said)-2000):])
		}
		return err
	}
	if err := make("KCONFIG_ALLCONFIG="+given, "allnoconfig"); err != nil {
		return err
	}
	if err := isConfigured(filepath.Join(tree, ".config"), fragment); err != nil {
		return err
	}
	if err := make("vmlinux", "bzImage"); err != nil {
		return err
	}
	for to, from := range kept {
		if err := os.Rename(filepath.Join(tree, from), filepath.Join(dir, to)); err != nil {
			return err
		}
	}
	return os.RemoveAll(tree)
}

// isConfigured compares a configuration with what was asked for: make leaves out in silence
// what does not fit together.
func isConfigured(config string, fragment []byte) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	has := strings.Split(string(text), "\n")
	for line := range strings.Lines(string(fragment)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "CONFIG_") && !slices.Contains(has, line) {
			return fmt.Errorf("%s is not in the configuration", line)
		}
	}
	return nil
}
