package gosplice_test

import (
	"testing"

	"github.com/gosplice/gosplice/internal/lab/api"
)

// TestBudget holds what each public package may depend on: see [api.Budgets].
func TestBudget(t *testing.T) {
	inner, err := api.Internal()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range api.Overdrawn(load(t), inner) {
		t.Error(s)
	}
}
