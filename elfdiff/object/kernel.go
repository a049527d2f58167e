package object

import "github.com/gosplice/gosplice/internal/kerneltab"

// IsKernel reports whether the object is of a Linux kernel or a module for it, by
// the tables that it has: then elfdiff.Options.Tables is right for it.
func (o *Object) IsKernel() bool {
	if o == nil || o.File == nil {
		return false
	}
	for _, s := range o.File.Sections {
		if kerneltab.Of(s.Name).Has(kerneltab.Telling) {
			return true
		}
	}
	return false
}
