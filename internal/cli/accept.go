package cli

import "github.com/gosplice/gosplice/elfdiff/finding"

// Accept is the option -accept CODE[:SYMBOL],...[=REASON] of a flag.FlagSet, which may be
// given several times.
func Accept(list *[]finding.Acceptance) func(string) error {
	return func(s string) error {
		more, err := finding.ParseAcceptance(s)
		*list = append(*list, more...)
		return err
	}
}
