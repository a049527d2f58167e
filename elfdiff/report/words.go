package report

import "github.com/gosplice/gosplice/internal/hint"

// ways are what a person is told to use: options in Go, or the flags of the command
// elfdiff.
type ways struct {
	accept                string // goes before the code
	preSource, postSource string
	text                  string // what shows all
	hint                  func(string) string
}

var (
	goWays   = ways{"Options.Accept with ", "HTMLOptions.PreSource", "HTMLOptions.PostSource", "report.Text", func(s string) string { return s }}
	flagWays = ways{"-accept ", "-src", "-post-src", "elfdiff without -html", hint.Flags}
)

// waysIn returns what a reader is told to use.
func waysIn(flags bool) *ways {
	if flags {
		return &flagWays
	}
	return &goWays
}
