package kbuild_test

import (
	"debug/elf"
	"os"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// TestSmall builds the kernels that have no livepatch, once, and looks at what they lack:
//
//	GOSPLICE_TEST=kernel,small go test -v -timeout 3h -run TestSmall ./internal/lab/kbuild
func TestSmall(t *testing.T) {
	for _, name := range kbuild.SmallNames {
		t.Run(name, func(t *testing.T) {
			s := kbuild.NeedSmall(t, vmtest.Need(t, "6.1"), name)
			config, err := os.ReadFile(s.Config)
			if err != nil {
				t.Fatal(err)
			}
			f, err := elf.Open(s.Image)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			has := func(option string) bool { return strings.Contains(string(config), "\n"+option+"=y\n") }
			bare := name == "bare"
			if has("CONFIG_LIVEPATCH") || has("CONFIG_FUNCTION_TRACER") != (name == "traced") || has("CONFIG_KALLSYMS_ALL") == bare || has("CONFIG_MODVERSIONS") == bare {
				t.Error("the configuration is another one")
			}
			if btf := f.Section(".BTF") != nil; btf == bare || f.Section(".debug_info") == nil {
				t.Errorf("BTF %v, debug information %v", btf, f.Section(".debug_info") != nil)
			}
			t.Log(s.Kernel.Release)
		})
	}
}
