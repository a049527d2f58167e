package stacks

import (
	"errors"
	"testing"
	"testing/fstest"
)

// TestNoStacks tells a kernel that shows no stacks from a task that has ended.
func TestNoStacks(t *testing.T) {
	const dir, stat = "proc/7/task/7", "7 (sh) S 1 1 1 0 -1 0 0\n"
	root := fstest.MapFS{dir + "/stat": {Data: []byte(stat)}, dir + "/stack": {Data: []byte("[<0>] do_wait+0x1/0x2\n")}}
	if now, err := At(root, dir); err != nil || now == nil || now.ID != 7 || len(now.Stack) != 1 {
		t.Errorf("%+v, %v", now, err)
	}
	delete(root, dir+"/stack")
	if now, err := At(root, dir); !errors.Is(err, ErrNoStacks) {
		t.Errorf("without stacks: %+v, %v", now, err)
	}
	if _, err := Read(t.Context(), root, 1, 0); !errors.Is(err, ErrNoStacks) {
		t.Errorf("without stacks: %v", err)
	}
	delete(root, dir+"/stat")
	if now, err := At(root, dir); err != nil || now != nil {
		t.Errorf("it has ended: %+v, %v", now, err)
	}
}
