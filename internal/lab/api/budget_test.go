package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOverdrawn has packages that depend on what they may not.
func TestOverdrawn(t *testing.T) {
	own := Module + "/"
	public := []Package{
		{Path: "elfdiff/finding", Deps: []string{"encoding/json", "fmt", own + "internal/words"}},
		{Path: "elfdiff/object", Deps: []string{own + "elfdiff/finding", own + "elfdiff", "testing", "vendor/golang.org/x/net/dns", "golang.org/x/sys/unix", "github.com/klauspost/compress/zstd"}},
		{Path: "reloc", Deps: []string{"flag", "github.com/cilium/ebpf/btf", "net"}},
		{Path: "splice/module", Deps: []string{"flag", "github.com/cilium/ebpf/btf", "net"}},
		{Path: "elfdiff/unheard"},
	}
	internal := map[string][]string{"internal/dwarf": {own + "elfdiff/elfobj", own + "internal/words", "fmt"}, "internal/kernel": {own + "reloc/image"}}
	want := []string{
		"elfdiff/object depends on github.com/gosplice/gosplice/elfdiff: it is of a higher layer",
		"elfdiff/object depends on golang.org/x/sys/unix: it is not in its budget",
		"elfdiff/object depends on testing: it is not in its budget",
		"elfdiff/unheard has no row in Budgets",
		"internal/kernel imports reloc/image, which stands on it",
		"reloc depends on flag: it is not in its budget",
		"reloc depends on github.com/cilium/ebpf/btf: it is not in its budget",
		"reloc depends on net: it is not in its budget",
	}
	if diff := cmp.Diff(want, Overdrawn(public, internal)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
