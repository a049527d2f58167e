package cli

import "strings"

// flagOf are the flags of the commands that stand for options of the library, which
// hints name. Longer names come first.
var flagOf = strings.NewReplacer(
	"elfdiff.Options.InPlace", "-in-place", "elfdiff.Options.Initials", "-initials",
	"Options.InPlace", "-in-place", "Options.Initials", "-initials", "Options.Probes", "-probes", "Options.NoJumps", "-no-jumps",
	"Options.Accept", "-accept",
)

// Hint returns a text of the library with the flags of the commands in place of the
// library's options.
func Hint(text string) string { return flagOf.Replace(text) }
