package module_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/splice/module"
)

// TestTailCalled changes a system call whose stubs jump to its body, where tasks sleep: that is told,
// and to be judged where it calls something else that changes.
func TestTailCalled(t *testing.T) {
	b := newBench(t, "6.1")
	flock := change("fs/locks.c", "	error = -EBADF;\n	f = fdget(fd);\n	if (!f.file)\n		return error;\n\n	if (type != F_UNLCK",
		"	error = -EBADFD;\n	f = fdget(fd);\n	if (!f.file)\n		return error;\n\n	if (type != F_UNLCK")
	called := func(list []elfdiff.Finding, severity elfdiff.Severity) bool {
		return slices.ContainsFunc(list, func(f elfdiff.Finding) bool {
			return f.Code == elfdiff.CodeTailCalled && f.Symbol == "__do_sys_flock" && f.Severity == severity
		})
	}
	try := func(accept []elfdiff.Acceptance, sources ...source) (*module.Module, error) {
		var pairs []module.Pair
		for _, s := range sources {
			p, err := b.pair(t, s)
			if err != nil {
				t.Fatal(err)
			}
			pairs = append(pairs, p)
		}
		return module.BuildContext(vmtest.Context(t), b.kernel, module.Options{Name: "fix_flock", Accept: accept}, pairs...)
	}
	m, err := try(nil, flock...)
	if err != nil || !called(m.Findings, elfdiff.Carried) || len(m.Functions) != 2 {
		t.Errorf("alone: %+v, %v", m, err)
	}
	var r *elfdiff.RefusedError
	if m, err := try(nil, append(flock, greeting...)...); err != nil || !called(m.Findings, elfdiff.Carried) {
		t.Errorf("with another that it does not call: %v", err)
	}
	both := flock
	both[0].edits = append(both[0].edits, kbuild.Edit{
		Old: "int locks_lock_inode_wait(struct inode *inode, struct file_lock *fl)\n{\n	int res = 0;",
		New: "int locks_lock_inode_wait(struct inode *inode, struct file_lock *fl)\n{\n	int res = 0;\n	if (!fl)\n		return -EINVAL;",
	})
	if _, err := try(nil, both...); !errors.As(err, &r) || !called([]elfdiff.Finding{r.Refusals[0].Finding}, elfdiff.NeedsJudgement) {
		t.Errorf("with one that it calls: %v", err)
	}
	if m, err := try([]elfdiff.Acceptance{{Code: elfdiff.CodeTailCalled, Reason: "it is called alike"}}, both...); err != nil || !called(m.Findings, elfdiff.NeedsJudgement) {
		t.Errorf("accepted: %v", err)
	}
}
