package kernel_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// TestDebugLayout has BTF, which pahole made, judge the layouts that are read of the debug
// information of a distribution's image.
func TestDebugLayout(t *testing.T) {
	testenv.Serial(t)
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) {
			if series != "6.12" && !testenv.Asked(testenv.Long) {
				t.Skip("one kernel, unless long tests are asked for")
			}
			_, k := openStock(t, series)
			want, err := k.Layout()
			if err != nil {
				t.Fatal(err)
			}
			got, lacks, err := k.DebugLayout()
			if err != nil || lacks > 0 {
				t.Fatal(lacks, err)
			}
			for name, l := range want {
				if own := got[name]; name != "ro_after_init" && (own.Name != l.Name || !cmp.Equal(own, l)) {
					t.Errorf("%s: %s", name, cmp.Diff(l, own))
				}
			}
			if _, ok := got["klp_patch"]; !ok || len(got) < len(want)-1 {
				t.Errorf("%d structures, of %d", len(got), len(want))
			}
		})
	}
}
