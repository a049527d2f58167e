package trial

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// isRefused reports whether the guest's kernel refused to load a module that the update changes: mostly
// since there is no device that it is for. That is before the update is there, so that it is not to
// blame: the trial goes on without that module, and says so.
func (t *trial) isRefused(name string, err error) bool {
	var refused *vm.Error
	if !slices.Contains(t.allChanged(), name) || !errors.As(err, &refused) || refused.Errno == 0 {
		return false
	}
	t.absent = append(t.absent, name)
	why, _, _ := strings.Cut(err.Error(), "\n")
	t.report.Notes = append(t.report.Notes, fmt.Sprintf("what is changed in %s was not seen: the guest's kernel does not load it (%s)", name, why))
	return true
}

// anyShown reports whether something that the update changes is there to be seen.
func (t *trial) anyShown() bool {
	return len(t.Update.Functions) == 0 || slices.ContainsFunc(t.Update.Functions, func(f module.Function) bool { return !slices.Contains(t.absent, f.Module) })
}
