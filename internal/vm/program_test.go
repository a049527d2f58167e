package vm

import (
	"errors"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestGuestProgram builds the guest's program where there is no module around.
func TestGuestProgram(t *testing.T) {
	testenv.Need(t, "go")
	t.Chdir(t.TempDir())
	cache := t.TempDir()
	if GuestBuilt(cache) {
		t.Error("built already")
	}
	b, err := guestProgram(t.Context(), cache)
	if err != nil || string(b[:4]) != "\x7fELF" {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if !GuestBuilt(cache) {
		t.Error("not kept")
	}
	t.Setenv("PATH", t.TempDir())
	if again, err := guestProgram(t.Context(), cache); err != nil || len(again) != len(b) {
		t.Errorf("from the cache: %v", err)
	}
	var e *NoGoError
	if _, err := guestProgram(t.Context(), t.TempDir()); !errors.As(err, &e) {
		t.Errorf("without Go: %v, want a NoGoError", err)
	}
}
