package elfdiff

import (
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// missing refuses objects of which one has nothing to compare. That both lack what
// is compared is no sign that they are the same.
func (j *judge) missing() {
	for i, o := range [2]*object.Object{j.Pre, j.Post} {
		var refused *RefusedError
		if errors.As(o.Missing(), &refused) {
			f := refused.Refusals[0].Finding
			f.Message = fmt.Sprintf("%s: %s", [2]string{"pre", "post"}[i], f.Message)
			j.report(f)
			return
		}
	}
	if a, b := j.Pre.HasCode(), j.Post.HasCode(); a != b {
		f := newFinding(CodeNoCode)
		f.Message = "pre has code, and post has none"
		if b {
			f.Message = "post has code, and pre has none"
		}
		j.report(f)
	}
}
