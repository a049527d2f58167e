// Package hint says in the flags of the commands what the library's hints say in its
// options.
package hint

import "strings"

// flagOf are the flags of the commands that stand for options of the library, which
// hints name. Longer names come first.
var flagOf = strings.NewReplacer(
	"elfdiff.Options.InPlace", "-in-place", "elfdiff.Options.Initials", "-initials",
	"Options.InPlace", "-in-place", "Options.Initials", "-initials", "Options.Probes", "-probes", "Options.NoJumps", "-no-jumps",
	"Options.Accept", "-accept", "Options.Name", "-name",
)

// Flags returns a text of the library with the flags of the commands in place of the
// library's options.
func Flags(text string) string { return flagOf.Replace(text) }
