// Package patch reads patches of source trees and applies them in memory.
//
//	patches, err := patch.ReadFiles("fix.patch")
//	tree := patch.NewTree(os.DirFS("linux"))
//	for _, p := range patches {
//		if err := tree.Apply(p); err != nil {
//			return err // names patch, file, hunk and line, and says what is the matter
//		}
//	}
//	overlay := tree.Changed()
//
// It reads what git diff, git show, git log -p and git format-patch write, mailboxes of
// several patches, what quilt and diff -u write, and series files. Which of them it is, is
// found out.
//
// # As strict as git
//
// A patch is applied as git apply does: a hunk may be at other lines than it says, at the
// nearest place where all of its old lines and its context are, byte for byte. Context is
// never left out (no fuzz), and a hunk without context at an end has to be at that end of the file.
// [Tree.Apply] is all or nothing, and the base is never written to.
//
// It is stricter than git in what git passes over in silence: lines of a diff behind the
// end of a hunk that its header counts too few of; binary files (they are read, but their patch
// is not applied); symbolic links; an insertion
// without any context that is not for the end of the file; and a patch that would apply
// elsewhere, while what it makes of the file is there already at the very lines that it says.
//
// # What does not apply
//
// Errors are a [*ReadError] or an [*ApplyError]. Each is a refusal (finding.ErrRefused), and the
// code that it has, such as [CodeApplied] or [CodeOtherVersion].
//
// Patches of others are read safely: names that leave the tree are refused, and size, memory
// and time are bounded.
package patch
