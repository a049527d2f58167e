package trial

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/vm"
)

// updateTaint are the taints that every update brings: a livepatch, from outside the
// kernel's tree, without a signature (Documentation/admin-guide/tainted-kernels.rst).
const updateTaint = "KOE"

// takeEarlier puts what the log has so far aside.
func (t *trial) takeEarlier(ctx context.Context) error {
	err := t.m.Check(ctx, vm.Policy{Taint: updateTaint, Allow: t.Allow})
	var e *vm.LogError
	if !errors.As(err, &e) {
		return err
	}
	t.report.Earlier = findings(e)
	t.tainted = e.Taint
	return nil
}

// readLog looks at what the log has since then.
func (t *trial) readLog(ctx context.Context) error {
	err := t.m.Check(ctx, vm.Policy{Taint: updateTaint + t.tainted, Allow: t.Allow})
	var e *vm.LogError
	if !errors.As(err, &e) {
		return err
	}
	t.report.Findings = findings(e)
	if e.Taint != "" {
		return fmt.Errorf("the kernel is tainted: %s", e.Taint)
	}
	return nil
}

func findings(e *vm.LogError) []Finding {
	list := make([]Finding, 0, len(e.Findings))
	for _, f := range e.Findings {
		var lines []string
		for _, r := range f.Records {
			lines = append(lines, r.String())
		}
		list = append(list, Finding{Rule: f.Rule, Text: strings.Join(lines, "\n")})
	}
	return list
}
