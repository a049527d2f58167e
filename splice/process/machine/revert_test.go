//go:build linux && amd64

package machine

import (
	"fmt"
	"testing"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// TestLetGo tells processes that have nothing to take back any more from those that keep it.
func TestLetGo(t *testing.T) {
	for err, want := range map[error]bool{
		splice.Refuse(splice.CodeNotApplied, "", "", 0, "none"):                         true,
		fmt.Errorf("revert: %w", splice.Refuse(process.CodeExec, "", "", 0, "another")): true,
		splice.Refuse(splice.CodeBusy, "f", "", 0, "in use"):                            false,
		splice.Refuse(splice.CodeRedirected, "f", "", 0, "something else stands there"): false,
		process.ErrGone: false,
	} {
		if letGo(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
