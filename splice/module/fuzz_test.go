package module

import (
	"testing"
)

// FuzzOptions has options either refused or fit for a module.
func FuzzOptions(f *testing.F) {
	f.Add("fix", "GPL", "a fix")
	f.Add("a-b", "Proprietary", "x\x00y=z")
	f.Fuzz(func(t *testing.T, name, license, text string) {
		opt := Options{Name: name, License: license, Description: text}
		if checkOptions(&opt) != nil {
			return
		}
		if len(name) > maxName || name == "" || license == "" {
			t.Errorf("%q, %q passed", name, license)
		}
		for _, c := range []byte(text) {
			if c == 0 {
				t.Error("a NUL passed, which begins another key of .modinfo")
			}
		}
	})
}
