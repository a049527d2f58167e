package elfdiff

import (
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// hookSection begins the names of sections with pointers to functions of an
// update that its target calls, as the macros of kpatch make them
// (KPATCH_PRE_PATCH_CALLBACK and the like). Nothing refers to such pointers.
const hookSection = kerneltab.CallbackHooks

// isHook reports whether an object of post is such a pointer.
func (d *Diff) isHook(id object.AtomID) bool {
	return d.carriesTables && id != object.NoAtom && strings.HasPrefix(d.Post.SectionName(d.Post.Atoms[id].Section), hookSection)
}
