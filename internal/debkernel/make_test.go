package debkernel

import (
	"slices"
	"testing"

	"github.com/gosplice/gosplice/internal/deb"
)

func TestMake(t *testing.T) {
	for version, mapped := range map[string]bool{
		"5.10.223-1": false, "6.1.192-3": false, "6.12.117-1~deb12u1": false, "6.13-1": true, "6.16.3-1~bpo13+1": true, "7.3.4-1~bpo13+1": true, "": false,
	} {
		k := &Kernel{Package: deb.Package{Version: version}}
		list := k.Make()
		if !slices.Contains(list, "DISTRIBUTION_VERSION="+version) || slices.Contains(list, "KCPPFLAGS=-fmacro-prefix-map=./=") != mapped {
			t.Errorf("%s: %q", version, list)
		}
	}
}
