package running

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/splice"
)

// All lists every livepatch that the kernel has, of whoever made it, in the order in which they
// were loaded: what [Kernel.Status] lists, and others, which have no ID. One that is disabled
// is listed as long as its module is loaded.
func (k *Kernel) All(ctx context.Context) ([]splice.Report, error) {
	list, err := k.modules(ctx, func(name, line string) (*splice.Report, error) {
		if !k.isLivepatch(name, line) {
			return nil, nil
		}
		r, err := k.report(name)
		if !errors.Is(err, os.ErrNotExist) {
			return r, err
		}
		if _, err := os.Stat(k.path("sys/module", name)); err != nil {
			return nil, err
		}
		r = &splice.Report{Schema: splice.ReportSchema, Name: name, Redirects: k.redirects(name)}
		k.state(r)
		return r, nil
	})
	if err != nil {
		return nil, fmt.Errorf("livepatches of the kernel: %w", err)
	}
	return list, nil
}

// isLivepatch reports whether a line of /proc/modules is of a livepatch: one that the kernel
// has as such, one of package module, or one that set the taint K (kernel/panic.c,
// TAINT_LIVEPATCH).
func (k *Kernel) isLivepatch(name, line string) bool {
	if k.exists(livepatch, name) || k.isOurs(name) {
		return true
	}
	f := strings.Fields(line)
	taints := f[len(f)-1]
	return strings.HasPrefix(taints, "(") && strings.Contains(taints, "K")
}

// Find returns the livepatch with a name or an ID, of whoever made it; "" is the one that was
// loaded last. The error is [splice.CodeNotApplied] where the kernel has none.
func (k *Kernel) Find(ctx context.Context, nameOrID string) (*splice.Report, error) {
	list, err := k.All(ctx)
	if err != nil {
		return nil, err
	}
	if nameOrID == "" && len(list) > 0 {
		return &list[len(list)-1], nil
	}
	for _, by := range []func(r *splice.Report) bool{
		func(r *splice.Report) bool { return r.Name == nameOrID },
		func(r *splice.Report) bool { return r.ID != "" && r.ID == nameOrID },
	} {
		if i := slices.IndexFunc(list, func(r splice.Report) bool { return by(&r) }); i >= 0 {
			return &list[i], nil
		}
	}
	return nil, refuse(splice.CodeNotApplied, nameOrID, "the kernel has no such livepatch")
}
