package trial

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/gosplice/gosplice/splice/module"
)

// noDevice are the errors with which a module says that what it is for is not there.
var noDevice = []error{syscall.ENODEV, syscall.ENXIO}

// lacksDevice reports whether a module that the update changes refused to be loaded since the guest has
// not the device that it is for. The trial goes on without it, and says so.
func (t *trial) lacksDevice(name string, err error) bool {
	if !slices.Contains(t.allChanged(), name) || !slices.ContainsFunc(noDevice, func(e error) bool { return errors.Is(err, e) }) {
		return false
	}
	t.absent = append(t.absent, name)
	why, _, _ := strings.Cut(err.Error(), "\n")
	t.report.Notes = append(t.report.Notes, fmt.Sprintf("what is changed in %s was not seen: the guest has not the device that it is for (%s)", name, why))
	return true
}

// anyShown reports whether something that the update changes is there to be seen.
func (t *trial) anyShown() bool {
	return len(t.Update.Functions) == 0 || slices.ContainsFunc(t.Update.Functions, func(f module.Function) bool { return !slices.Contains(t.absent, f.Module) })
}
