package gosplice_test

import (
	"testing"

	"github.com/gosplice/gosplice/internal/lab/api"
)

// TestNameable holds that an importer can name every type in the exported API: none is of an
// internal package, and none is not exported.
func TestNameable(t *testing.T) {
	for _, p := range load(t) {
		for _, s := range api.Unnameable(p.Types) {
			t.Errorf("%s: %s", p.Path, s)
		}
	}
}

func load(t *testing.T) []api.Package {
	t.Helper()
	list, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	return list
}
